#!/bin/sh
# classify.sh: examples/classify.c, by the commands in its head: of ten test images that it is given
# as PNG files, a network trained for an epoch gets most right, and what is no PNG gets a message.
. tests/lib.sh
data=/usr/share/datasets/fashion-mnist
dir=$B/tests/classify
mkdir -p "$dir"
$CC -O1 tests/idx_to_png.c -lpng -lz -o "$dir/idx_to_png"
verdict "building idx_to_png" $?
NETC_TEST_EPOCHS=1 $MAKE -s run SPEC=mlp_tuned > "$dir/run.txt" 2>&1
verdict "make run SPEC=mlp_tuned" $?
sed -n '/^ \*     gcc/,/^ \*         -o/s/^ \* *//p' examples/classify.c > "$dir/command"
sh "$dir/command"
verdict "the compile line" $?
right=0
for i in 0 1 2 3 4 5 6 7 8 9; do
    "$dir/idx_to_png" $data/t10k-images-idx3-ubyte.gz $i "$dir/picture.png"
    said=$(build/classify build/mlp_tuned.safetensors "$dir/picture.png")
    # The first ten labels of the test set.
    is=$(sed -n "$((i + 1))p" << END
Ankle boot
Pullover
Trouser
Trouser
Shirt
Trouser
Coat
Shirt
Sandal
Sneaker
END
    )
    [ "$said" = "$is" ] && right=$((right + 1))
done
[ $right -ge 7 ]
verdict "$right of 10 test images are right" $?
! build/classify build/mlp_tuned.safetensors examples/classify.c > "$dir/out" 2>&1 &&
    grep -q '^classify: ' "$dir/out"
verdict "what is no PNG gets a message" $?
summary
