#!/bin/sh
# schedules.sh: schedules written by hand (tests/schedules/SPEC.sched) say all that they need in the
# vocabulary of schedules, and change no bit of what their networks learn.
. tests/lib.sh
dir=$B/tests/schedules
for schedule in tests/schedules/*.sched; do
    name=$(basename "$schedule" .sched)
    for how in chosen given; do
        mkdir -p "$dir/$how"
        option=
        [ $how = given ] && option=--schedule=$schedule
        "$B/netc" $option specs/"$name".net -o "$dir/$how" &&
            compile_net "$CC" -O1 "$dir/$how" "$name" "$dir/$how/$name" &&
            "$dir/$how/$name" train --steps 7 --limit 150 --save "$dir/$how.safetensors" \
                > "$dir/log"
    done
    cmp "$dir/chosen.safetensors" "$dir/given.safetensors"
    verdict "$schedule" $?
done
summary
