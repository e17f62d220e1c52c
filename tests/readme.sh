#!/bin/sh
# The commands of README.md (its blocks marked sh), but the test command itself, run as they stand
# there; one epoch of each training, whole ones for check-all. And what it quotes: specs stand in
# specs/ or examples/, C is what netc writes.
: "${B:=build}"
good=0 bad=0
verdict() { # WHAT STATUS
    if [ "$2" -eq 0 ]; then
        good=$((good + 1))
    else
        bad=$((bad + 1))
        echo "failed: $1"
    fi
}
dir=$B/tests/readme
rm -rf "$dir"
mkdir -p "$dir"
test -n "$NETC_TEST_ALL" || export NETC_TEST_EPOCHS=1

# Each block becomes a file NUMBER.LANGUAGE.
awk -v dir="$dir" '
    /^```/ { open = !open; if (open) file = dir "/" ++n "." (substr($0, 4) ? substr($0, 4) : "none"); next }
    open { print > file }' README.md

while read -r command; do
    echo "\$ $command"
    sh -c "$command"
    verdict "$command" $?
done << END
$(cat "$dir"/*.sh | sed 's/ *#.*//' | grep -v -x -e '' -e 'make check' -e 'make check-all' -e 'make study')
END

# The lines of a quotation, one after the other, stand in one of the files; `...` leaves some out.
quoted() { # QUOTATION FILE...
    quotation=$1
    shift
    for file; do
        awk 'NR == FNR { line[++n] = $0; next }
            BEGIN { at = 1 }
            { sub(/ +$/, "") }
            line[at] ~ /^ *\.\.\.$/ { at++; skipping = 1 }
            at > n { exit }
            $0 == line[at] { at++; skipping = 0; next }
            at > 1 && !skipping { at = $0 == line[1] ? 2 : 1 }
            END { exit at <= n }' "$quotation" "$file" && return
    done
    return 1
}
for quotation in "$dir"/*.net "$dir"/*.c; do
    test -f "$quotation" || continue
    case $quotation in
    *.net) quoted "$quotation" specs/*.net examples/*.net ;;
    *.c) quoted "$quotation" generated/*.c ;;
    esac
    verdict "$(basename "$quotation") is a quotation" $?
done

echo "$good passed, $bad failed"
test $bad -eq 0
