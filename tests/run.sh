#!/bin/sh
# run.sh SUITE...: run test suites, two at a time, and sum up. A suite is a program $B/tests/NAME
# (sanitized_NAME: built with sanitizers) or a script tests/NAME.sh. What it counted is its output's
# last summary, Check's or "N passed, N failed"; it counts as one where there is none. The output is
# $B/tests/SUITE.log, and is shown where something failed.
: "${B:=build}" "${MAKE:=make}"
unbuilt="its program is not up to date"

# The command that runs a suite; fails where its program is not up to date.
command_of() {
    case $1 in
    sanitized_*) program=$B/sanitized/tests/${1#sanitized_} at=$B/sanitized ;;
    unit_*) program=$B/tests/$1 at=$B ;;
    *) echo "sh tests/$1.sh $B/netc" && return ;;
    esac
    # Whatever flags the sanitized build has, up to date is a matter of files alone.
    $MAKE -s -q B="$at" "$program" 2> /dev/null && echo "$program"
}

one() { # runs one suite: a line "NAME passed failed seconds" to $B/tests/NAME.result
    log=$B/tests/$1.log
    began=$(date +%s)
    if run=$(command_of "$1"); then
        timeout 1800 $run > "$log" 2>&1
        status=$?
    else
        echo "$unbuilt" > "$log"
        status=1
    fi
    awk -v name="$1" -v status=$status -v seconds=$(($(date +%s) - began)) '
        /^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+$/ {
            bad = $5 + $7; good = $3 - bad
        }
        /^[0-9]+ passed, [0-9]+ failed$/ { good = $1; bad = $3 }
        END {
            if (status && !bad) bad = 1
            if (!status && !good) good = 1
            print name, good + 0, bad + 0, seconds
        }' "$log" > "$B/tests/$1.result"
    awk '{ printf "%s %s: %d passed, %d failed (%d s)\n", $3 ? "FAIL" : "ok  ", $1, $2, $3, $4 }' \
        "$B/tests/$1.result"
}

if [ "$1" = --one ]; then
    one "$2"
    exit 0
fi
mkdir -p "$B/tests"
for suite; do rm -f "$B/tests/$suite.log"; done
rm -f "$B"/tests/*.result "$B"/tests/summary
printf '%s\n' "$@" | xargs -n 1 -P 2 sh "$0" --one
cat "$B"/tests/*.result > "$B/tests/results"
for suite in $(awk '$3 { print $1 }' "$B/tests/results"); do
    printf '\n--- %s (%s)\n' "$suite" "$B/tests/$suite.log"
    tail -n +41 "$B/tests/$suite.log" | head -n -40 | grep -a -E '^failed|:[FE]:'
    { head -n 40 && tail -n 40; } < "$B/tests/$suite.log"
done
if grep -q "^$unbuilt" "$B"/tests/*.log; then
    printf '\n--- building (%s)\n' "$B/tests/build.log"
    grep -s -A 3 -E ' error: |undefined reference|No rule to make' "$B/tests/build.log" | head -n 40
fi
awk '{ good += $2; bad += $3 } END { printf "%d passed, %d failed\n", good, bad; exit bad > 0 }' \
    "$B/tests/results" > "$B/tests/summary"
status=$?
cat "$B/tests/summary"
exit $status
