#!/bin/sh
# Golden files, paired by extension: golden.sh [--accept] NETC
#
# For every tests/golden/NAME.net: NAME.err holds what `netc --check NAME.net` says, and it fails;
# NAME.PASS (tree, graph, ...) holds what `netc --dump=PASS NAME.net` prints, and it succeeds;
# NAME.c is the C for x86-64-v3 of a net that is called NAME.
# --accept rewrites the files there are; a new one is begun by touching it.
accept=
if [ "$1" = --accept ]; then
    accept=1
    shift
fi
[ -n "$1" ] || { echo "usage: golden.sh [--accept] NETC" >&2; exit 2; }
netc=$(realpath "$1")
cd "$(dirname "$0")/golden" || exit 2
out=$(mktemp) made=$(mktemp -d) || exit 2
trap 'rm -rf "$out" "$made"' EXIT
failed=0
ran=0

# compare FILE STATUS WANTED
compare() {
    ran=$((ran + 1))
    if [ "$2" -ne "$3" ]; then
        echo "$1: exit status $2, expected $3"
        failed=$((failed + 1))
    elif [ -n "$accept" ]; then
        cp "$out" "$1"
    elif ! diff -u "$1" "$out"; then
        failed=$((failed + 1))
    fi
}

for want in *; do
    net=${want%.*}.net
    case $want in
    *.net) ;;
    *.err)
        "$netc" --check "$net" > "$out" 2>&1
        compare "$want" $? 1
        ;;
    *.c)
        "$netc" --target x86-64-v3 "$net" -o "$made" > "$out" 2>&1
        status=$?
        cat "$made/$want" >> "$out"
        compare "$want" $status 0
        ;;
    *)
        "$netc" --dump="${want##*.}" "$net" > "$out" 2>&1
        compare "$want" $? 0
        ;;
    esac
done
for net in *.net; do
    ls "${net%.net}".* | grep -qv '\.net$' && continue
    echo "$net: nothing to compare"
    ran=$((ran + 1))
    failed=$((failed + 1))
done
echo "$((ran - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
