#!/bin/sh
# The command netc: what it says and does where the user, the spec or the disk is at fault, and that
# it writes the same bytes each time.
. tests/lib.sh
why() { head -n 20 "$dir/output" 2> /dev/null; }
netc=$PWD/$B/netc
dir=$PWD/$B/tests/command
rm -rf "$dir"
mkdir -p "$dir"

says() { # STATUS PATTERN OPTION...: netc ends with the status and prints the pattern
    status=$1 pattern=$2
    shift 2
    "$netc" "$@" > "$dir/output" 2>&1
    found=$?
    test $found -eq "$status" && grep -q -e "$pattern" "$dir/output"
    verdict "netc $*: status $found, expected $status and '$pattern'" $?
}
spec=specs/mlp_baseline.net
says 0 '^usage: netc' --help
says 0 '^netc [0-9]' --version
says 2 '^usage: netc'
says 2 'unknown option --frobnicate' --frobnicate $spec
says 2 'unknown target pdp11' --target pdp11 $spec
says 2 'unknown stage soup' --dump=soup $spec
says 2 'order is no rewrite' --without=order $spec
says 2 'needs a value' $spec -o
says 2 'one spec at a time' $spec $spec
says 1 'cannot read .*/none.net: No such file' "$dir/none.net"
says 1 'cannot read' "$dir"
says 0 '^dense1 .*dense(128).* 100480' --summary $spec
says 0 '^memory: [0-9]* bytes of state, [0-9]* of working memory' --summary $spec
says 0 'n2 -> n8;' --dump=network examples/residual.net # past the residual block
says 0 '"lstm(128).n28 × 128" style=bold' --dump=network specs/lstm_baseline.net
says 1 'none.schedule' --schedule="$dir/none.schedule" $spec -o "$dir"

# A mistake in a spec: told, and nothing written.
sed 's/relu/rleu/' $spec > "$dir/wrong.net"
mkdir "$dir/out"
says 1 'wrong.net:[0-9]*:[0-9]*: error: .*rleu.*did you mean `relu`' "$dir/wrong.net" -o "$dir/out"
says 1 'rleu' --check "$dir/wrong.net"
rmdir "$dir/out"
verdict "a spec with mistakes leaves no file" $?

# The world's failures.
says 1 'out' $spec -o "$dir/output/out"
ln -s /dev/full "$dir/full"
"$netc" --dump=tree $spec > "$dir/full" 2> "$dir/output"
test $? -eq 1
verdict "a full disk is no success" $?
(ulimit -f 10 && "$netc" $spec -o "$dir/little" > "$dir/output" 2>&1)
test $? -eq 1 && grep -q 'cannot write .*too large' "$dir/output"
verdict "a file that may not grow is told" $?

# Without a rewrite the graph is another.
"$netc" --dump=order specs/cnn_tuned.net > "$dir/with" &&
    "$netc" --dump=order --without=select specs/cnn_tuned.net > "$dir/without" &&
    grep -q '^maxpool1_bordered' "$dir/with" && ! grep -q '^maxpool1_bordered' "$dir/without"
verdict "a rewrite can be left out" $?

# The same bytes again, from elsewhere.
"$netc" $spec -o "$dir/one" && (cd specs && "$netc" mlp_baseline.net -o "$dir/two")
diff -r "$dir/one" "$dir/two" > "$dir/output"
verdict "the same spec gives the same bytes, wherever netc runs" $?
test "$(ls "$dir/one" | tr '\n' ' ')" = "mlp_baseline.c mlp_baseline.h "
verdict "one .c and one .h, nothing beside" $?

summary
