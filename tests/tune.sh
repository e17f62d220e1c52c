#!/bin/sh
# tune.sh: netc --tune: a small network in little time; whatever is found changes no bit; what it
# says to people where it cannot work.
. tests/lib.sh
dir=$B/tests/tune
rm -rf "$dir"
mkdir -p "$dir"
cat > "$dir/tiny.net" << 'END'
net tiny {
  data fashion_mnist
  model flatten -> dense(10)
  loss softmax_cross_entropy
  train { optimizer sgd(lr = 0.01) batch 16 epochs 1 }
}
END
CC=$CC "$B/netc" --tune --minutes 0.02 "$dir/tiny.net" -o "$dir" > "$dir/log"
verdict "tuning" $?
grep -q -e 'is as good' -e "^$dir/tiny.sched: compile with" "$dir/log"
verdict "what came out" $?
schedule=
if [ -e "$dir/tiny.sched" ]; then
    schedule=--schedule=$dir/tiny.sched
    grep -q '^# tiny, tuned for ' "$dir/tiny.sched"
    verdict "where the schedule is from" $?
fi
"$B/netc" $schedule "$dir/tiny.net" -o "$dir"
verdict "the schedule is read" $?

CC=/no/such/compiler "$B/netc" --tune "$dir/tiny.net" -o "$dir" > /dev/null 2> "$dir/err"
test $? = 1 && grep -q 'cannot run the C compiler /no/such/compiler' "$dir/err"
verdict "no compiler" $?
CC=false "$B/netc" --tune "$dir/tiny.net" -o "$dir" > /dev/null 2> "$dir/err"
test $? = 1 && grep -q 'false could not compile the candidates' "$dir/err"
verdict "a compiler that fails" $?
"$B/netc" --tune --minutes much "$dir/tiny.net" 2> "$dir/err"
test $? = 2 && grep -q 'much is no number of minutes' "$dir/err"
verdict "minutes that are none" $?
"$B/netc" --minutes 1 "$dir/tiny.net" 2> "$dir/err"
test $? = 2 && grep -q -e '--minutes is for --tune' "$dir/err"
verdict "minutes without --tune" $?
summary
