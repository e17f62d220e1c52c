#!/bin/sh
# readme.sh [--accept]: the commands of README.md (its blocks marked sh), but the tests themselves,
# run as they stand there; one epoch of each training, whole ones for check-all. Its quotations: a
# net stands in specs/ or examples/, C is a whole function that netc writes, which --accept brings
# up to date. And the nets of docs/extending.md are right.
. tests/lib.sh
dir=$B/tests/readme
rm -rf "$dir"
mkdir -p "$dir"

# The blocks of a text, each to a file FOLDER/NUMBER.LANGUAGE.
blocks() { # TEXT FOLDER
    mkdir -p "$2"
    awk -v to="$2/" '
        /^```/ { open = !open; if (open) file = to (++n) "." substr($0, 4); next }
        open { print > file }' "$1"
}
# The function that a quotation is of, with its comment, as netc writes it now.
function() { # QUOTATION
    name=$(sed -n 's/^static .*void \([A-Za-z0-9_]*\)(.*/\1/p' "$1")
    "$B/netc" --target x86-64-v4 specs/cnn_baseline.net -o "$dir" &&
        awk -v head="void $name(" '
            /^\/\*/ { comment = ""; open = 1 }
            open { comment = comment $0 "\n" }
            /\*\/$/ { open = 0 }
            /^static / && index($0, head) { printf "%s", comment; found = 1 }
            found { print }
            found && /^}/ { exit }' "$dir/cnn_baseline.c"
}
blocks README.md "$dir"

if [ "$1" = --accept ]; then
    for quotation in "$dir"/?.c; do function "$quotation" > "$dir/new" || exit 1; done
    test -s "$dir/new" || { echo "README.md: netc writes no such function"; exit 1; }
    awk -v new="$dir/new" '
        /^```/ { open = !open; skip = open && $0 == "```c" }
        !skip || /^```/ { print }
        /^```c$/ { while ((getline line < new) > 0) print line }' README.md > "$dir/README.md"
    cp "$dir/README.md" README.md
    exit
fi

for quotation in "$dir"/*.net; do
    cat specs/*.net examples/*.net | awk -v file="$quotation" '
        BEGIN { while ((getline line < file) > 0) wanted = wanted line "\n" }
        { text = text $0 "\n" }
        END { exit !index(text, wanted) }'
    verdict "a net of README.md stands in no spec: $(head -n 1 "$quotation")" $?
done
for quotation in "$dir"/?.c; do
    function "$quotation" | diff "$quotation" -
    verdict "the C of README.md is what netc writes (else: make accept)" $?
done

blocks docs/extending.md "$dir/extending"
for net in "$dir"/extending/*.net; do
    "$B/netc" "$net" -o "$dir"
    verdict "a net of docs/extending.md" $?
done

test -n "$NETC_TEST_ALL" || export NETC_TEST_EPOCHS=1
while read command; do # without -r: lines that end in a backslash are joined
    echo "\$ $command"
    sh -c "$command"
    verdict "$command" $?
done << END
$(cat "$dir"/*.sh | grep -v -x 'make check')
END

summary
