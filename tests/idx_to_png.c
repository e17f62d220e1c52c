/* idx_to_png.c: idx_to_png IMAGES.gz NUMBER OUT.png: one 28 x 28 image of an IDX file as a PNG. */
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

int main(int argc, char **argv) {
    enum { HEAD = 16, SIDE = 28 };
    unsigned char pixels[SIDE * SIDE];
    gzFile in = argc == 4 ? gzopen(argv[1], "rb") : NULL;
    if (!in || gzseek(in, HEAD + atol(argv[2]) * SIDE * SIDE, SEEK_SET) < 0 ||
        gzread(in, pixels, sizeof pixels) != sizeof pixels)
        return 1;
    gzclose(in);
    png_image image = {.version = PNG_IMAGE_VERSION, .width = SIDE, .height = SIDE,
                       .format = PNG_FORMAT_GRAY};
    return !png_image_write_to_file(&image, argv[3], 0, pixels, SIDE, NULL);
}
