/* png.c: a PNG file as a sample, by libpng's simplified interface, which decodes every kind of PNG
 * to 8-bit RGB and turns its own failures into messages.
 */
#include "internal.h"
#include <errno.h>
#include <png.h>
#include <stdlib.h>

/* Channels, height and width of a sample; false where it is no picture. */
static bool picture(const netc_data *data, long *c, long *h, long *w) {
    if (data->rank != 2 && data->rank != 3) return false;
    *c = data->rank == 3 ? data->shape[0] : 1;
    *h = data->shape[data->rank - 2];
    *w = data->shape[data->rank - 1];
    return *c == 1 || *c == 3;
}

static void convert(const uint8_t *rgb, uint8_t *to, long channels, long pixels) {
    for (long i = 0; i < pixels; i++) {
        const uint8_t *p = rgb + 3 * i;
        if (channels == 1) to[i] = (uint8_t)((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000);
        for (long c = 0; channels == 3 && c < 3; c++) to[c * pixels + i] = p[c];
    }
}

static bool decode(png_image *image, const char *path, const netc_data *data, uint8_t *bytes,
                   netc_error *error) {
    static const png_color black = {0, 0, 0};
    long c, h, w;
    if (!picture(data, &c, &h, &w))
        return netc_fail(error, "%s: samples of %s are no pictures", path, data->name);
    if (image->width != (png_uint_32)w || image->height != (png_uint_32)h)
        return netc_fail(error, "%s: the picture is %ux%u, expected %ldx%ld", path,
                         (unsigned)image->width, (unsigned)image->height, w, h);
    image->format = PNG_FORMAT_RGB;
    image->flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    uint8_t *rgb = malloc(PNG_IMAGE_SIZE(*image));
    if (!rgb) return netc_fail(error, "%s: not enough memory", path);
    bool ok = png_image_finish_read(image, &black, rgb, 0, NULL);
    if (ok) convert(rgb, bytes, c, h * w);
    else netc_fail(error, "%s: %s", path, image->message);
    free(rgb);
    return ok;
}

bool netc_read_png(const char *path, const netc_data *data, uint8_t *bytes, netc_error *error) {
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    FILE *f = fopen(path, "rb");
    if (!f) return netc_fail(error, "%s: %s", path, strerror(errno));
    bool ok = png_image_begin_read_from_stdio(&image, f);
    if (ok) ok = decode(&image, path, data, bytes, error);
    else netc_fail(error, "%s: not a PNG file that can be read: %s", path, image.message);
    png_image_free(&image);
    fclose(f);
    return ok;
}
