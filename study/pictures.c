/* pictures.c: PNG by libpng, as text for a page. */
#include "study.h"
#include <png.h>
#include <stdlib.h>
#include <string.h>

static char *base64(Arena *a, const uint8_t *bytes, size_t n) {
    static const char digit[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = arena_alloc(a, (n + 2) / 3 * 4 + 1), *to = text;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t x = (uint32_t)bytes[i] << 16;
        if (i + 1 < n) x |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < n) x |= bytes[i + 2];
        *to++ = digit[x >> 18];
        *to++ = digit[x >> 12 & 63];
        *to++ = i + 1 < n ? digit[x >> 6 & 63] : '=';
        *to++ = i + 2 < n ? digit[x & 63] : '=';
    }
    return text;
}

char *png_base64(Arena *a, const uint8_t *pixels, int width, int height, int channels) {
    png_image image = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY};
    png_alloc_size_t size = 0;
    if (!png_image_write_get_memory_size(image, size, 0, pixels, 0, NULL))
        fail("cannot make a picture: %s", image.message);
    uint8_t *bytes = malloc(size);
    if (!bytes || !png_image_write_to_memory(&image, bytes, &size, 0, pixels, 0, NULL))
        fail("cannot make a picture: %s", bytes ? image.message : "no memory");
    char *text = base64(a, bytes, size);
    free(bytes);
    return text;
}
