#!/bin/sh
# cost.sh: what `--dump=schedule` says of costs: comments only, so that the dump is read back as the
# schedule that it is; numbers for every kernel; measured ones beside them; what is large and read
# once is not written.
. tests/lib.sh
dir=$B/tests/cost
mkdir -p "$dir/again"
names="cnn_baseline lstm_baseline mlp_tuned"
[ "$NETC_TEST_ALL" ] && names=$(cd specs && ls ./*.net | sed 's/^..//; s/\.net$//')
for name in $names; do
    spec=specs/$name.net
    "$B/netc" --target x86-64-v4 --dump=schedule "$spec" > "$dir/$name.sched"
    "$B/netc" --target x86-64-v4 "$spec" -o "$dir" &&
        "$B/netc" --target x86-64-v4 --schedule="$dir/$name.sched" "$spec" -o "$dir/again" &&
        cmp "$dir/$name.c" "$dir/again/$name.c"
    verdict "$name: the dump as a schedule" $?
    awk '
        /^#kernel/ { table = 1; next }
        /^#all/ { table = 0; if (!($3 > 0)) bad = 1; n++ }
        table { for (i = 2; i <= 6; i++) if ($i !~ /^[0-9]+(\.[0-9]+)?$/) bad = 1 }
        END { exit bad || n != 5 }' "$dir/$name.sched"
    verdict "$name: a number for each kernel" $?
done

awk '
    /^function/ { train = $2 == "train" }
    train && /at lstm1_z_sum {/ { here = 1 }
    train && /kernel lstm1_z_sum|at lstm1_z_sum store/ { written = 1 }
    END { exit !here || written }' "$dir/lstm_baseline.sched"
verdict "a sum that another begins with is computed in its registers" $?

cat > "$dir/measured" << 'END'
{"spec": "cnn_baseline", "threads": 1, "peak_gflops": 100}
{"function": "train", "kernel": "maxpool2", "calls": 8, "ms": 0.25, "peak_percent": 61.5}
END
"$B/netc" --dump=schedule --measured="$dir/measured" specs/cnn_baseline.net |
    awk '/^function/ { train = $2 == "train" }
        train && /^#maxpool2 / { found = $7 == "250.00" && $8 == "61.5" }
        END { exit !found }'
verdict "what was measured" $?
echo nothing > "$dir/measured"
"$B/netc" --dump=schedule --measured="$dir/measured" specs/cnn_baseline.net > /dev/null \
    2> "$dir/err"
test $? = 1 && grep -q "no kernel's time" "$dir/err"
verdict "a file without measured times" $?
"$B/netc" --measured="$dir/measured" specs/cnn_baseline.net 2> "$dir/err"
test $? = 2 && grep -q 'is for --dump=schedule' "$dir/err"
verdict "--measured without the dump" $?
summary
