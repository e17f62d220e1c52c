#!/bin/sh
# Rules about the sources that a compiler does not check: which parts may include which, the width
# of lines, no marks of unfinished work.
. tests/lib.sh

# For each file the headers that it includes, directly or not, without folders: lines "FILE HEADER".
mkdir -p "$B/tests"
$CC -x c -MM -MG -Icompiler -Iruntime -I"$B/gen" runtime/*.[ch] compiler/*.[chly] study/*.[ch] |
    tr '\\' ' ' | awk '
        /^[^ ]+:/ { file = $2; start = 3 }
        { for (i = start; i <= NF; i++) { sub(/.*\//, "", $i); print file, $i } start = 1 }
    ' > "$B/tests/includes"
test -s "$B/tests/includes" || exit 1

may_not() { # FILE HEADER...: a line for each that it includes
    file=$1
    shift
    grep -x -F "$(printf "$file %s.h\n" "$@")" "$B/tests/includes" | sed 's/ / includes /'
}

# The runtime knows nothing of the compiler, the compiler of the runtime only what arithmetic is.
headers() { for f in "$1"/*.h; do basename "$f" .h; done; }
none "the runtime includes the compiler" \
    "$(for f in runtime/*.[ch]; do may_not "$f" $(headers compiler); done)"
none "the compiler includes the inside of the runtime" \
    "$(for f in compiler/*.[chly]; do
        may_not "$f" $(headers runtime | grep -v -x -e netc -e netc_math)
    done)"

none "a part includes what studies are made of" \
    "$(for f in runtime/*.[ch] compiler/*.[chly]; do may_not "$f" $(headers study); done)"
none "studies include the inside of the compiler" \
    "$(for f in study/*.[ch]; do may_not "$f" $(headers compiler | grep -v -x support); done)"

# Text to tree, tree to graph, graph to graph, graph to loops and C: none reaches around another.
# What has no line of its own is of the graph's part. (The driver may all.)
front="front tree parse lex parser elaborate"
back="schedule choose loop lower print"
layering() {
    for f in compiler/*.[chly]; do
        case $(basename "$f") in
        main.* | compile.* | prelude.*) ;;
        diag.* | front.* | tree* | parse* | lex* | tokens* | item*)
            may_not "$f" expr graph elaborate passes $back ;;
        elaborate*) may_not "$f" parse lex parser passes $back ;;
        # Schedules are text that is read, so mistakes in them are told. Expressions of the loop IR
        # are printed with all others.
        schedule* | choose* | cost* | tune* | loop* | lower* | plan* | sections* | flops* | \
            print* | describe* | jit* | expr_print.c)
            may_not "$f" $front passes ;;
        *) may_not "$f" $front diag $back ;;
        esac
    done
}
none "a part of the compiler includes what it should not know" "$(layering)"

all="compiler/*.[chly] compiler/prelude/*.net runtime/*.[ch] study/*.[ch] specs/*.net"
all="$all $(ls tests/*.[ch] tests/*.sh examples/*.net examples/*.c 2> /dev/null)"
none "lines over 100 columns" "$(awk '
    { gsub(/[\200-\277]/, "") } # all but the first byte of a character
    length($0) > 100 { print FILENAME ":" FNR }' $all)"
none "marks of unfinished work" "$(grep -n -w -E "TO""DO|FIX""ME|XX""X|HA""CK" $all)"
none "spaces at the end of a line, or tabs" "$(grep -n -P '[ \t]$|\t' $all)"

summary
