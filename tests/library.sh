#!/bin/sh
# Layers are library: the compiler knows none of the names that the prelude defines. Neither do its
# sources hold one, nor does what it writes change but for the names when every one is replaced.
. tests/lib.sh
dir=$B/tests/library
rm -rf "$dir"
mkdir -p "$dir/before" "$dir/after" "$dir/prelude" "$dir/specs"
sources=$(ls compiler/*.[chly])

# --- names in the sources ---

awk '$1 == "increasing" { $1 = ""; $0 = $0 }
     $1 ~ /^(layer|function|loss|optimizer|data|block|net)$/ {
         sub(/[^A-Za-z0-9_].*/, "", $2)
         print $2
     }' compiler/prelude/*.net | sort -u > "$dir/definitions"
test "$(wc -l < "$dir/definitions")" -ge 30 || none "definitions found in the prelude" few

none "names of the prelude as string literals" \
    "$(sed 's/.*/"&"/' "$dir/definitions" | grep -n -F -f - $sources)"

# Words of English or of mathematics, which a compiler may use with another meaning. All others
# are unmistakable, also as a part of an identifier: do_relu_now, ReluPass.
mistakable="concat cosine dense he last mix rescale resize rows replicate square"
none "names of the prelude in the compiler" "$(
    for name in $(echo $mistakable | tr ' ' '\n' | grep -v -x -F -f - "$dir/definitions"); do
        sed -e 's/\([a-z0-9]\)\([A-Z]\)/\1_\2/g' $sources | tr A-Z a-z | tr -c 'a-z0-9_\n' ' ' |
            grep -q -E "(^|[ _])${name}([ _]|\$)" && echo "$name"
    done)"

# --- other names, the same program ---

# A new name, for each definition and each parameter with a name of two letters or more: as long as
# the old one, so that no line breaks elsewhere, and such that it occurs nowhere in the texts. Not
# for `lr` and `classes`, words of the language: a rule's rate and what data sets declare.
awk '
    BEGIN { skip["classes"] = skip["lr"] = 1; letters = "bcdfghjkmnpqrstvwxzBCDFGHJKMNPQRSTVWXZ" }
    { text = text $0 "\n" }
    function add(name) {
        if (length(name) < 2 || name in skip) return
        skip[name] = 1
        names[++n_names] = name
    }
    function formals(list, part, n, i) {
        while (match(list, /\([^()]*\)/))
            list = substr(list, 1, RSTART - 1) substr(list, RSTART + RLENGTH)
        n = split(list, part, ",")
        for (i = 1; i <= n; i++) {
            gsub(/ |=.*/, "", part[i])
            add(part[i])
        }
    }
    function letter() { # Park and Miller, so that every awk chooses the same
        random = random * 16807 % 2147483647
        return substr(letters, 1 + random % length(letters), 1)
    }
    FILENAME ~ /prelude/ && /^(increasing )?(layer|function|loss|optimizer|data|block|net) / {
        sub(/^increasing /, "")
        sub(/^[a-z]+ +/, "")
        match($0, /^[A-Za-z0-9_]+/)
        add(substr($0, 1, RLENGTH))
        rest = substr($0, RLENGTH + 1)
        depth = rest ~ /^\(/
        for (end = 2; depth && end <= length(rest); end++) {
            if (substr(rest, end, 1) == "(") depth++
            if (substr(rest, end, 1) == ")") depth--
        }
        if (rest ~ /^\(/) formals(substr(rest, 2, end - 3))
    }
    END {
        random = 20260101
        for (i = 1; i <= n_names; i++) {
            do {
                word = ""
                while (length(word) < length(names[i])) word = word letter()
            } while (index(text, word))
            text = text word "\n"
            print names[i], word
        }
    }' compiler/prelude/*.net specs/*.net > "$dir/names"

rename() { # FILE FOLDER: a copy with the new names, but in strings and comments
    awk 'NR == FNR { new[$1] = $2; next }
        {
            line = ""
            while (match($0, /[A-Za-z_][A-Za-z0-9_]*|[0-9][A-Za-z0-9_.]*|"[^"]*"|#.*/)) {
                token = substr($0, RSTART, RLENGTH)
                line = line substr($0, 1, RSTART - 1) (token in new ? new[token] : token)
                $0 = substr($0, RSTART + RLENGTH)
            }
            print line $0
        }' "$dir/names" "$1" > "$2/$(basename "$1")"
}
for f in compiler/prelude/*.net; do rename "$f" "$dir/prelude"; done
for f in specs/*.net; do rename "$f" "$dir/specs"; done
# Longer names first: a short one may occur in a longer.
awk '{ print length($1), $1, $2 }' "$dir/names" | sort -k 1,1nr |
    awk '{ print "s/" $3 "/" $2 "/g" }' > "$dir/undo"

# The compiler with the other prelude: its objects, but for that one.
sh compiler/embed.sh "$dir"/prelude/*.net > "$dir/prelude.c"
$CC -Icompiler "$dir/prelude.c" "$B/compiler/main.o" "$B/compiler/jit_missing.o" \
    "$B/compiler.a" -lm -o "$dir/netc" || exit 1

# Where the spec lies shows in comments: it is called the same for both.
netc=$(realpath "$B/netc")
cp specs/*.net "$dir/before"
mv "$dir/specs"/*.net "$dir/after"
for spec in specs/*.net; do
    name=$(basename "$spec" .net)
    (cd "$dir/before" && "$netc" --target x86-64-v3 "$name.net") > "$dir/log" 2>&1 &&
        (cd "$dir/after" && ../netc --target x86-64-v3 "$name.net") >> "$dir/log" 2>&1 ||
        { none "$spec does not compile" "$(cat "$dir/log")"; continue; }
    for f in "$name.c" "$name.h"; do # but for the hash, which is of graphs as text, names included
        grep -v '^ *\.hash = ' "$dir/before/$f" > "$dir/kept"
        sed -f "$dir/undo" "$dir/after/$f" | grep -v '^ *\.hash = ' > "$dir/undone"
        none "$f by other names" "$(diff "$dir/kept" "$dir/undone" | head -n 10)"
    done
done

summary
