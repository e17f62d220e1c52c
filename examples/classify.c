/* classify.c: a C program of one's own around a compiled network: it loads saved weights and says
 * what a PNG shows.
 *
 *     make run SPEC=mlp_tuned                  writes generated/mlp_tuned.[ch] and the weights
 *     gcc -std=gnu11 -O3 -ffp-contract=off -fno-math-errno -Wno-psabi -march=native -Iruntime \
 *         -Igenerated examples/classify.c generated/mlp_tuned.c build/libnetc.a -lpng -lz \
 *         -lpthread \
 *         -o build/classify
 *     build/classify build/mlp_tuned.safetensors picture.png
 */
#include "mlp_tuned.h"
#include "runtime.h"
#include <stdio.h>

int main(int argc, char **argv) {
    netc_model model;
    netc_error error;
    if (argc != 3) {
        fprintf(stderr, "usage: classify WEIGHTS.safetensors PICTURE.png\n");
        return 2;
    }
    if (!netc_model_open(&model, &mlp_tuned, argv[1], &error)) {
        fprintf(stderr, "classify: %s\n", error.text);
        return 1;
    }
    bool read = netc_read_png(argv[2], &mlp_tuned.data, model.bytes, &error);
    if (read) printf("%s\n", mlp_tuned.data.classes[netc_model_classify(&model)]);
    else fprintf(stderr, "classify: %s\n", error.text);
    netc_model_close(&model);
    return !read;
}
