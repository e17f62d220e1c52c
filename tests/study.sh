#!/bin/sh
# study.sh SPEC...: train build/SPEC for its own epochs with the seeds 1, 2 and 3, and write
# docs/results.md: what each reached on the test images, beside what the study reports and what the
# same network reached in PyTorch (tests/torch_study.py). Fails where a mean is below the study's,
# or the accuracy below PyTorch's by more than 0.7 points and by more than two standard errors of
# the difference. A training that is complete is not repeated until its network changes.
: "${B:=build}"
unset NETC_TEST_EPOCHS
seeds="1 2 3"
dir=$B/study
mkdir -p "$dir"

# Of the study (accuracy, and macro precision, recall and F1).
cat > "$dir/reported" << END
mlp_baseline     .7689 .7673 .7689 .7672
mlp_tuned        .8791 .8801 .8791 .8784
alexnet_baseline .8539 .8659 .8533 .8544
alexnet_tuned    .8864 .8911 .8862 .8872
cnn_baseline     .8344 .8394 .8344 .8321
cnn_tuned        .8667 .8681 .8667 .8669
lenet_baseline   .8217 .8282 .8217 .8214
lenet_tuned      .7158 .7166 .7158 .7077
rnn_baseline     .8414 .8437 .8414 .8404
rnn_tuned        .8347 .8332 .8347 .8336
lstm_baseline    .7860 .7922 .7800 .7803
lstm_tuned       .7970 .7990 .7900 .7949
END

for spec; do
    for seed in $seeds; do
        run=$dir/$spec-$seed
        version=$("$B/$spec" --version) || exit 1
        grep -q '^test: ' "$run.txt" 2> /dev/null && grep -q -x -F "$version" "$run.txt" && continue
        echo "$spec, seed $seed"
        rm -f "$run.log"
        { echo "$version" && "$B/$spec" train ${ARGS:-} --seed "$seed" --save "$run.safetensors" \
            --log "$run.log"; } > "$run.txt" || exit 1
        tail -n 2 "$run.txt" | head -n 1
    done
done

# Of a run: spec, accuracy, precision, recall, F1, epochs, seconds.
for spec; do
    for seed in $seeds; do
        awk -v spec="$spec" '
            /^test: / { gsub(/,/, ""); accuracy = $5; rest = $7 " " $9 " " $11 }
            /^{"epoch"/ {
                epochs++
                sub(/.*"seconds": /, "")
                seconds += $0 + 0
            }
            END { print spec, accuracy, rest, epochs, seconds }
        ' "$dir/$spec-$seed.txt" "$dir/$spec-$seed.log"
    done
done > "$dir/runs"

mkdir -p docs
{
    cat << END
# Results

What the networks of specs/ reach on the test images of Fashion-MNIST, trained in C for their own
epochs with the seeds 1, 2 and 3: the mean of the three, beside what the study reports, and for the
accuracy beside the mean of the same network in PyTorch. Precision, recall and F1 are means over the
classes. Time is of training, without tests, on the machine that ran it. Written by \`make study\`.

END
    head='spec|accuracy (seeds)|study|PyTorch|precision|study|recall|study|F1|study|epochs|time'
    echo "| $head |" | sed 's/|/ | /g; s/  */ /g; s/^ //; s/ $//'
    echo '|---|---|---|---|---|---|---|---|---|---|---|---|'
    awk '
        function text(x, s) { s = sprintf("%.4f", x); sub(/^0/, "", s); return s }
        function error2(n, sum, squares) { # of a mean, squared
            return n > 1 ? (squares / n - (sum / n)^2) / (n - 1) : 0
        }
        function below_torch(spec, n, error) {
            n = torch[spec]
            if (!n) return 0
            error = 2 * sqrt(error2(runs[spec], sum[spec, 2], squares[spec]) + \
                error2(n, torch_sum[spec], torch_squares[spec]))
            if (error < 0.007) error = 0.007
            return sum[spec, 2] / runs[spec] < torch_sum[spec] / n - error
        }
        FILENAME ~ /reported$/ { for (i = 2; i <= 5; i++) reported[$1, i] = $i; next }
        FILENAME ~ /csv$/ {
            split($0, part, ",")
            torch[part[1]]++
            torch_sum[part[1]] += part[3]
            torch_squares[part[1]] += part[3]^2
            next
        }
        !($1 in runs) { order[++specs] = $1 }
        {
            runs[$1]++
            seeds[$1] = seeds[$1] (seeds[$1] ? ", " : "") text($2)
            squares[$1] += $2^2
            for (i = 2; i <= 7; i++) sum[$1, i] += $i
        }
        END {
            for (j = 1; j <= specs; j++) {
                spec = order[j]
                row = "| " spec
                for (i = 2; i <= 5; i++) {
                    mean = sum[spec, i] / runs[spec]
                    row = row " | " text(mean) (i == 2 ? " (" seeds[spec] ")" : "")
                    row = row " | " reported[spec, i]
                    if (mean < reported[spec, i]) row = row " (not reached)"
                    if (i > 2) continue
                    row = row " | " (torch[spec] ? text(torch_sum[spec] / torch[spec]) : "")
                    if (below_torch(spec)) row = row " (not reached)"
                }
                printf "%s | %d | %.0f s |\n", row, sum[spec, 6] / runs[spec],
                    sum[spec, 7] / runs[spec]
            }
        }' "$dir/reported" tests/torch_accuracy.csv "$dir/runs"
} > docs/results.md
cat docs/results.md
! grep -q 'not reached' docs/results.md
