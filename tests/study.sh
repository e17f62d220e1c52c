#!/bin/sh
# `netc study`: a small study, whole; killed at random moments and gone on with; on one thread. Its
# results are the same to the last digit, agree with what the programs themselves say, and stand on
# its page as they stand in results.json.
. tests/lib.sh
export CC
why() { tail -n 20 "$dir/output" 2> /dev/null; }
dir=$B/tests/study
rm -rf "$dir"
mkdir -p "$dir"
netc=$B/netc
random() { od -A n -N 2 -t u2 /dev/urandom | awk -v below="$1" '{ print $1 % below }'; }

# A network that is split and keeps its best epoch, and one that diverges, both with two values.
cat > "$dir/filters.net" << END
const units = 4
net filters {
  data   fashion_mnist
  model  conv(units, 3) -> relu -> maxpool(2) -> flatten -> dense(10)
  loss   softmax_cross_entropy
  train  { optimizer sgd(lr = 0.05)   epochs 8   validation 0.2   keep best }
}
END
cat > "$dir/astray.net" << END
const units = 4
net astray {
  data   fashion_mnist
  model  flatten -> dense(units) -> dense(10)
  loss   softmax_cross_entropy
  train  { optimizer sgd(lr = 1e30)   epochs 2 }
}
END
printf '%s\n' spec,accuracy,f1 filters-units=16,.1,.1 > "$dir/figures.csv"
printf '%s\n' seed,spec,accuracy 1,filters,.1 2,filters,.1 3,filters,.999 > "$dir/reached.csv"
printf '%s\n' spec,accuracy filters,.99 > "$dir/unreached.csv"
options="$dir/filters.net $dir/astray.net --seeds 2 --limit 1500 -D units=4,16"
study() { # FOLDER OPTION...
    to=$1
    shift
    "$netc" study $options -o "$to" "$@" > "$dir/output" 2>&1
}

# Whole.
study "$dir/whole"
test $? -eq 1 # as two networks diverge
verdict "a study with runs that diverge ends with status 1" $?
csv=$dir/whole/results.csv
test "$(grep -c ',done,' "$csv")" -eq 4 && test "$(grep -c ',diverged,' "$csv")" -eq 4
verdict "four runs are done, four diverge" $?
grep -q 'astray-units=4, seed 1: diverged: ' "$dir/output"
verdict "a run that diverges is told" $?
for file in report.html results.md results.json timings.csv manifest.json; do
    test -s "$dir/whole/$file"
    verdict "$file is there" $?
done
run=$dir/whole/runs/filters-units=16/seed-2
grep -q '"seed": 2' "$run/manifest.json" && grep -q 'keep best' "$run/manifest.json"
verdict "a run's manifest says what it is" $?
test "$(awk 'NR > 1' "$run/predictions.csv" | wc -l)" -eq 1500
verdict "a prediction for each test sample" $?

# What the program says of the same weights, to the digits of results.csv. (The runtime has metrics
# of its own.)
program="$dir/whole/build/filters-units=16/filters-units=16"
"$program" eval --json --limit 1500 --weights "$run/weights.safetensors" > "$dir/eval.json"
awk -F '[:,]' '
    FNR == NR { for (i = 1; i < NF; i++) if ($i ~ /"(accuracy|precision|recall|f1|loss)"/) {
        name = $i; gsub(/[ "]/, "", name); says[name] = sprintf("%.6f", $(i + 1)) } next }
    FNR == 1 { n = split($0, head, ",") }
    /^filters-units=16,2,/ {
        split($0, field, ",")
        for (i = 1; i <= n; i++) if (head[i] in says) {
            seen++
            if (field[i] != says[head[i]]) { print head[i], field[i], says[head[i]]; bad = 1 }
        }
    }
    END { exit bad || seen != 5 }' "$dir/eval.json" "$csv"
verdict "results.csv says what the program says" $?

# The page.
$CC -O1 tests/report_numbers.c $(pkg-config --cflags --libs jansson) -lm -o "$dir/report_numbers" &&
    "$dir/report_numbers" "$dir/whole/results.json" "$dir/whole/report.html"
verdict "the numbers of report.html are those of results.json" $?
for text in 'True: <b>' 'Predicted: <b>' 'class="shot wrong"' 'class="shot right"' 'diverged' \
    '<svg role="img" aria-label="Test accuracy by epoch' 'aria-label="Layers of the network' \
    'Filters of the first layer' 'T-shirt/top'; do
    grep -q -e "$text" "$dir/whole/report.html"
    verdict "report.html has $text" $?
done

# Again: nothing is trained; the report alone.
cp "$csv" "$dir/before.csv"
touch "$dir/moment"
study "$dir/whole" --compare other="$dir/figures.csv"
cmp "$csv" "$dir/before.csv" && test -z "$(find "$dir/whole/runs" -newer "$dir/moment" -type f)"
verdict "what is done is not done again" $?
cp "$dir/whole/report.html" "$dir/before.html"
"$netc" study --report -o "$dir/whole" > "$dir/output" 2>&1 &&
    cmp "$dir/whole/report.html" "$dir/before.html"
verdict "--report makes the same page of results.json" $?

printf '# Ours\n\n**Bold** and 5 < 6.\n' > "$dir/ours.md"
"$netc" study --report -o "$dir/whole" --conclusions "$dir/ours.md" > "$dir/output" 2>&1 &&
    grep -q '<strong>Bold</strong> and 5 &lt; 6' "$dir/whole/report.html"
verdict "conclusions by hand" $?

# Less in the same folder.
"$netc" study "$dir/filters.net" --seeds 1 --limit 1500 --epochs 2 -D units=4 -o "$dir/whole" \
    > "$dir/output" 2>&1
test "$(wc -l < "$dir/whole/runs/filters-units=4/seed-1/log.jsonl")" -eq 2
verdict "another number of epochs trains anew" $?
grep -q '"message": ""' "$dir/whole/results.json" && test "$(wc -l < "$csv")" -eq 2
verdict "a study of less in the same folder" $?

study "$dir/one" --threads 1
cmp "$dir/one/results.csv" "$dir/before.csv"
verdict "the same results on one thread" $?

# Starts a study and waits until it is at work on a run, then a moment more.
interrupt() { # FOLDER SIGNAL
    touch "$dir/moment"
    "$netc" study $options -o "$1" > "$dir/output" 2>&1 &
    for wait in $(seq 600); do
        test -n "$(find "$1/runs" -name output.txt -newer "$dir/moment" 2> /dev/null)" && break
        sleep 0.05
    done
    pause=$(random 400)
    history="$history $pause ms"
    sleep "$(awk -v ms="$pause" 'BEGIN { print ms / 1000 }')"
    kill -s "$2" $! 2> /dev/null
    wait $! 2> /dev/null
}
history=
for try in 1 2 3; do interrupt "$dir/killed" KILL; done
study "$dir/killed"
cmp "$dir/killed/results.csv" "$dir/before.csv"
verdict "the same results after SIGKILL, at work for$history" $?
history=
interrupt "$dir/stopped" TERM
status=$?
test $status -eq 130 || test $status -eq 1 # or it was over before
verdict "SIGTERM stops a study after$history: $status" $?
study "$dir/stopped"
cmp "$dir/stopped/results.csv" "$dir/before.csv"
verdict "the same results after SIGTERM" $?

# Mistakes.
says() { # STATUS PATTERN OPTION...
    status=$1 pattern=$2
    shift 2
    "$netc" study "$@" > "$dir/output" 2>&1
    found=$?
    test $found -eq "$status" && grep -q -e "$pattern" "$dir/output"
    verdict "netc study $*: status $found, expected $status and '$pattern'" $?
}
sed 's/relu/rleu/' "$dir/filters.net" > "$dir/wrong.net"
says 0 '^usage: netc study' --help
says 2 'which folder' "$dir/filters.net"
says 2 'which specs' -o "$dir/none"
says 2 'takes a number from 1' "$dir/filters.net" -o "$dir/none" --seeds 0
says 2 'expected NAME=VALUE' "$dir/filters.net" -o "$dir/none" -D units=,3
says 2 'unknown option --frobnicate' "$dir/filters.net" -o "$dir/none" --frobnicate
says 1 'cannot read .*none.net' "$dir/none.net" -o "$dir/none"
says 1 'wrong.net:[0-9]*:[0-9]*: error: .*rleu' "$dir/wrong.net" -o "$dir/none"
says 1 'cannot read .*results.json' --report -o "$dir/nothing"
says 1 'two networks are called' "$dir/filters.net" "$dir/filters.net" -o "$dir/none"
says 1 'units' "$dir/filters.net" -D unit=3 -o "$dir/none"
says 1 'cannot read .*none.csv' --compare x="$dir/none.csv" "$dir/filters.net" --limit 200 \
    --epochs 1 --seeds 1 -o "$dir/none"
says 1 'accuracy 0.* does not reach other' --compare other="$dir/unreached.csv" "$dir/filters.net" \
    --limit 200 --epochs 1 --seeds 1 -o "$dir/none"
says 0 'report.html' --compare other="$dir/reached.csv" "$dir/filters.net" --limit 200 --epochs 1 \
    --seeds 1 -o "$dir/none"
says 1 'wrong cannot be trained' "$dir/wrong.net" "$dir/filters.net" --limit 200 --epochs 1 \
    --seeds 1 -o "$dir/none"
grep -q 'wrong could not be compiled' "$dir/none/report.html" &&
    grep -q '^filters,1,done,' "$dir/none/results.csv"
verdict "a spec with mistakes is reported, and the rest goes on" $?
mkdir "$dir/bin"
PATH=$dir/bin "$netc" study "$dir/filters.net" -o "$dir/none" > "$dir/output" 2>&1
test $? -eq 1 && grep -q 'make deps STUDY=1' "$dir/output"
verdict "without gnuplot it says how to get it" $?

summary
