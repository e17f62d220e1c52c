#!/bin/sh
# Trainings that are interrupted and killed at random moments and resumed from what they saved end
# with the same bytes as one that never stopped: every network, for check-all.
. tests/lib.sh
dir=$B/tests/kill
rm -rf "$dir"
mkdir -p "$dir"
random() { od -A n -N 2 -t u2 /dev/urandom | awk -v below="$1" '{ print $1 % below }'; }

steps=60
for spec in specs/*.net examples/*.net; do
    grep -q '^ *folder ' "$spec" && continue # data that the tests do not have
    name=$(basename "$spec" .net)
    program=$B/$name
    $MAKE -s "$program" || { bad=$((bad + 1)); continue; }
    began=$(date +%s%N)
    "$program" train --steps $steps --limit 3000 --save "$dir/whole" > "$dir/log" 2>&1
    took=$((($(date +%s%N) - began) / 1000000))
    rm -f "$dir/parts"
    history=
    for try in 1 2 3 4 5 6; do
        resume=
        test -f "$dir/parts" && resume="--resume $dir/parts"
        "$program" train $resume --steps $steps --limit 3000 --save "$dir/parts" \
            > "$dir/log" 2>&1 &
        if [ $try -lt 6 ]; then # the last is left alone
            signal=INT pause=$(random $((took + 1)))
            test "$(random 2)" = 0 && signal=KILL
            history="$history $signal after $pause ms"
            sleep "$(awk -v ms="$pause" 'BEGIN { print ms / 1000 }')"
            kill -s $signal $! 2> /dev/null
        fi
        wait $!
    done
    if cmp "$dir/whole" "$dir/parts"; then
        good=$((good + 1))
    else
        bad=$((bad + 1))
        echo "$name:$history"
        cat "$dir/log"
    fi
done

summary
