# lib.sh: what the scripts of tests/ share; they read it in the folder of the tree.
: "${B:=build}" "${CC:=gcc}" "${MAKE:=make}"
good=0 bad=0

why() { :; } # says more of what failed: a script may have its own

verdict() { # WHAT STATUS
    if [ "$2" -eq 0 ]; then
        good=$((good + 1))
    else
        bad=$((bad + 1))
        echo "failed: $1"
        why
    fi
}

none() { # WHAT OFFENDERS: offenders are lines of text; none is good
    if [ -z "$2" ]; then
        good=$((good + 1))
    else
        bad=$((bad + 1))
        printf '%s:\n%s\n' "$1" "$2"
    fi
}

summary() { # the last thing that a script does: run.sh reads it
    echo "$good passed, $bad failed"
    test $bad -eq 0
}

compile_net() { # COMPILER OPTION FOLDER NAME PROGRAM: FOLDER/NAME.c, which netc has written
    $1 -std=gnu11 "$2" -ffp-contract=off -fno-math-errno -w \
        $(sed -n '1s/.*(\(-[^)]*\)).*/\1/p' "$3/$4.c") -Iruntime -DNETC_NET="$4" \
        "$3/$4.c" runtime/main.c "$B/libnetc.a" -lpng -lz -lpthread -o "$5"
}
