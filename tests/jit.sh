#!/bin/sh
# netc --jit: what it trains is what the compiled program trains, to the bit, on one thread and two,
# and each goes on with what the other saved; its command line, its messages and dumps; --watch. For
# check a few networks and steps; for check-all all of specs/ and examples/, and 50 rounds.
. tests/lib.sh
dir=$PWD/$B/tests/jit
why() { head -n 20 "$dir/log" 2> /dev/null; }
netc=$PWD/$B/netc
specs="specs/mlp_baseline.net specs/lenet_baseline.net examples/own_optimizer.net"
steps=7 limit=150 optimize=-O1 rounds=3
if [ -n "$NETC_TEST_ALL" ]; then
    specs=$(ls specs/*.net examples/*.net)
    steps=50 limit=2000 optimize=-O3 rounds=50
fi
rm -rf "$dir"
mkdir -p "$dir"

build() { # SPEC NAME: $dir/NAME
    "$netc" "$1" -o "$dir" && compile_net "$CC" $optimize "$dir" "$2" "$dir/$2"
}
half=$((steps / 2))
for spec in $specs; do
    name=$(basename "$spec" .net)
    # Data that the tests do not have.
    grep -q '^ *folder ' "$spec" && continue
    build "$spec" "$name" > "$dir/log" 2>&1 || { verdict "$name by $CC" 1; continue; }
    c="$dir/$name train" jit="$netc --jit $spec train"
    $c --steps $steps --limit $limit --save "$dir/c" > "$dir/log" 2>&1
    for threads in 1 2; do
        $jit --steps $steps --limit $limit --threads $threads --save "$dir/now" > "$dir/log" 2>&1
        cmp "$dir/c" "$dir/now"
        verdict "$name on $threads threads" $?
    done
    $jit --steps $half --limit $limit --save "$dir/half" > "$dir/log" 2>&1
    $c --steps $steps --limit $limit --resume "$dir/half" --save "$dir/now" > "$dir/log" 2>&1
    cmp "$dir/c" "$dir/now"
    verdict "$name, gone on with by the compiled program" $?
    $c --steps $half --limit $limit --save "$dir/half" > "$dir/log" 2>&1
    $jit --steps $steps --limit $limit --resume "$dir/half" --save "$dir/now" > "$dir/log" 2>&1
    cmp "$dir/c" "$dir/now"
    verdict "$name, gone on with in memory" $?
    "$dir/$name" eval --limit $limit --weights "$dir/c" > "$dir/one" 2>&1
    "$netc" --jit "$spec" eval --limit $limit --weights "$dir/c" > "$dir/two" 2>&1
    cmp "$dir/one" "$dir/two"
    verdict "$name, measured" $?
    rm -f "$dir"/*
done

says() { # STATUS PATTERN OPTION...: netc ends with the status and prints the pattern
    status=$1 pattern=$2
    shift 2
    "$netc" "$@" > "$dir/log" 2>&1
    found=$?
    test $found -eq "$status" && grep -q -e "$pattern" "$dir/log"
    verdict "netc $*: status $found, expected $status and '$pattern'" $?
}
spec=specs/mlp_baseline.net
says 2 'is for --jit' --watch $spec
says 2 'is for --watch' --jit --keep $spec
says 0 '^parameters: 109386' --jit $spec summary
says 2 "unknown option '--frobnicate'" --jit $spec train --frobnicate
says 2 "unknown command 'tarin'" --jit $spec tarin
says 0 '"startup_seconds": [0-9]' --jit $spec bench --seconds 0.01 --limit 150 --json
says 0 '^define void @mlp_baseline_train(ptr' --dump=llvm $spec
says 0 '^mlp_baseline_train:' --dump=asm $spec
says 1 'cannot find train-images' --jit $spec train --data "$dir"
sed 's/relu/rleu/' $spec > "$dir/wrong.net"
says 1 'wrong.net:[0-9]*:[0-9]*: error: .*rleu' --jit "$dir/wrong.net"
sed 's/dense(128)/dense(width)/; s/^net /const width = 48\nnet /' $spec > "$dir/defined.net"
says 0 'dense(12)' --jit -D width=12 "$dir/defined.net" summary

# perf(1) finds the routines by name.
"$netc" --jit --perf $spec train --steps 3 --limit 150 --save "$dir/now" > "$dir/log" 2>&1 &
pid=$!
wait $pid
grep -q '^[0-9a-f]* [0-9a-f]* mlp_baseline_train_' "/tmp/perf-$pid.map"
verdict "the map for perf names routines" $?
rm -f "/tmp/perf-$pid.map"

# --watch: again at each change, from the weights that fit; what is wrong is told, and mended; its
# memory does not grow.
cp $spec "$dir/watched.net"
cd "$dir" || exit 1
"$netc" --jit --watch --keep watched.net train --limit 150 --threads 1 --epochs 100000 \
    > "$dir/watch" 2> "$dir/log" &
pid=$!
waits_for() { # PATTERN COUNT FILE: for up to a minute
    tries=0
    until test "$(grep -c -e "$1" "$3")" -ge "$2"; do
        tries=$((tries + 1))
        test $tries -le 600 && kill -0 $pid 2> /dev/null || return 1
        sleep 0.1
    done
}
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"; }
edit() { sed "$1" watched.net > other && mv other watched.net; }
waits_for '^epoch 2/' 1 watch
verdict "--watch trains" $?
before=$(resident)
round=1
while [ $round -lt $rounds ]; do
    edit "s/dense([0-9]*) -> relu -> dense(10)/dense($((20 + round))) -> relu -> dense(10)/"
    waits_for '^epoch 2/' $((round + 1)) watch || break
    round=$((round + 1))
done
test $round -eq $rounds
verdict "--watch trains again after each change: $round of $rounds" $?
waits_for '^beginning with 3 of 6 tensors from' $((rounds - 1)) watch
verdict "--keep keeps the weights that fit" $?
grown=$(($(resident) - before))
test $grown -lt 1024
verdict "--watch grew by $grown KB in $rounds rounds" $?
edit 's/flatten/flat/'
waits_for 'error: .*flat' 1 log
verdict "--watch tells what is wrong" $?
edit 's/flat /flatten /'
waits_for '^epoch 2/' $((rounds + 1)) watch
verdict "--watch goes on once it is mended" $?
kill -TERM $pid
wait $pid
verdict "--watch ends on a signal" $(($? != 143))

summary
