#!/bin/sh
# One result, bit for bit: what a program has saved after some steps of training is the same bytes
# whatever the target that netc compiled for, the C compiler and the number of threads, and after a
# stop and a resumed run. For check a few networks and steps; for check-all all of them.
. tests/lib.sh
few="specs/mlp_baseline.net specs/rnn_baseline.net specs/lenet_baseline.net"
few="$few specs/alexnet_baseline.net" # several steps a call
specs=$few compilers=$CC many="1 2 3" steps=7 limit=150 optimize=-O1
if [ -n "$NETC_TEST_ALL" ]; then
    specs=$(ls specs/*.net examples/*.net)
    clang=$(command -v clang || ls /usr/bin/clang-[0-9]* | sort -V | tail -n 1)
    compilers="gcc ${clang##*/}" many="1 2 3 4 5 6 7 8" steps=50 limit=2000 optimize=-O3
fi
targets=
grep -q -w avx2 /proc/cpuinfo && targets=x86-64-v3
grep -q -w avx512dq /proc/cpuinfo && targets="$targets x86-64-v4"
dir=$B/tests/bits
rm -rf "$dir"

build() { # SPEC TARGET COMPILER: $dir/TARGET/NAME-COMPILER
    "$B/netc" --target "$2" "$1" -o "$dir/$2" || return
    compile_net "$3" $optimize "$dir/$2" "$name" "$dir/$2/$name-$3"
}
train() { # PROGRAM FILE STEPS OPTION...
    program=$1 file=$2 stop=$3
    shift 3
    "$program" train --save "$file" --steps "$stop" --limit $limit "$@" > "$dir/log" 2>&1 ||
        cat "$dir/log"
}
for spec in $specs; do
    name=$(basename "$spec" .net)
    # Data that the tests do not have.
    grep -q '^ *folder ' "$spec" && continue
    mkdir -p "$dir"
    at=$steps
    case $name in alexnet_*) at=$((steps + 2 * limit)) ;; esac # stops where it settles
    # Without fma in the processor a program is slow: once is enough.
    generic=
    case " $few " in *" $spec "*) generic=generic ;; esac
    test -n "$targets" || generic=generic
    for target in $generic $targets; do
        threads=$many
        test $target = generic && threads=2
        for cc in $compilers; do
            build "$spec" "$target" "$cc" || { verdict "$name for $target by $cc" 1; continue; }
            for n in $threads; do
                train "$dir/$target/$name-$cc" "$dir/now" $at --threads "$n"
                test -f "$dir/first" || cp "$dir/now" "$dir/first"
                cmp "$dir/first" "$dir/now"
                verdict "$name for $target by $cc on $n threads" $?
                rm -f "$dir/now"
            done
        done
    done
    train "$dir/$target/$name-$cc" "$dir/half" $((at / 2))
    train "$dir/$target/$name-$cc" "$dir/now" $at --resume "$dir/half"
    cmp "$dir/first" "$dir/now"
    verdict "$name, resumed" $?
    rm -rf "$dir"
done

summary
