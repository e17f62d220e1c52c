#!/bin/sh
# schedules.sh: schedules written by hand (tests/schedules/SPEC.sched) say all that they need in the
# vocabulary of schedules, and change no bit of what their networks learn.
: "${B:=build}" "${CC:=gcc}"
good=0 bad=0
dir=$B/tests/schedules
for schedule in tests/schedules/*.sched; do
    name=$(basename "$schedule" .sched)
    for how in chosen given; do
        mkdir -p "$dir/$how"
        option=
        [ $how = given ] && option=--schedule=$schedule
        "$B/netc" $option specs/"$name".net -o "$dir/$how" &&
            $CC -std=gnu11 -O1 -ffp-contract=off -fno-math-errno -w \
                $(sed -n '1s/.*(\(-[^)]*\)).*/\1/p' "$dir/$how/$name.c") -Iruntime \
                -DNETC_NET="$name" "$dir/$how/$name.c" runtime/main.c "$B/libnetc.a" \
                -lpng -lz -lpthread -o "$dir/$how/$name" &&
            "$dir/$how/$name" train --steps 7 --limit 150 --save "$dir/$how.safetensors" \
                > "$dir/log"
    done
    if cmp "$dir/chosen.safetensors" "$dir/given.safetensors"; then
        good=$((good + 1))
    else
        bad=$((bad + 1))
        echo "failed: $schedule"
    fi
done
echo "$good passed, $bad failed"
[ $bad -eq 0 ]
