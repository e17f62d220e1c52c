/* idx.c: IDX files of bytes, plain or compressed (the format of the MNIST data sets: two zero
 * bytes, the element type, the rank, the sizes as big-endian 32-bit numbers, the elements).
 *
 * A header is not trusted: memory grows with what was read, so a file that promises more than it
 * holds costs no more than itself.
 */
#include "internal.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

enum { IDX_UBYTE = 8, CHUNK = 1 << 20 };

static bool damaged(gzFile file, const char *path, netc_error *error) {
    int code;
    const char *why = gzerror(file, &code);
    if (code == Z_ERRNO) why = strerror(errno);
    else if (code == Z_BUF_ERROR) why = "it ends in the middle of its compressed data";
    return netc_fail(error, "%s: cannot be read: %s", path, why);
}

/* Exactly n bytes. `what` was expected there. */
static bool take(gzFile file, const char *path, uint8_t *to, unsigned n, const char *what,
                 netc_error *error) {
    int got = gzread(file, to, n), code;
    if (got >= 0 && (unsigned)got == n) return true;
    gzerror(file, &code);
    if (code != Z_OK && code != Z_STREAM_END) return damaged(file, path, error);
    return netc_fail(error, "%s: too short: it ends within its %s", path, what);
}

/* Equal but for axes of one, which a sample's shape may have and a file lack. */
static bool same_shape(int ra, const long *a, int rb, const long *b) {
    int i = 0, j = 0;
    for (;;) {
        while (i < ra && a[i] == 1) i++;
        while (j < rb && b[j] == 1) j++;
        if (i == ra || j == rb) return i == ra && j == rb;
        if (a[i++] != b[j++]) return false;
    }
}

static bool read_header(gzFile file, const char *path, int rank, const long *shape, long *total,
                        netc_error *error) {
    uint8_t magic[4], size[4];
    long found[NETC_MAX_RANK];
    char want[128], have[128];
    if (!take(file, path, magic, 4, "first four bytes", error)) return false;
    if (magic[0] || magic[1] || magic[2] != IDX_UBYTE || !magic[3] || magic[3] > NETC_MAX_RANK)
        return netc_fail(error,
                         "%s: not an IDX file of bytes: it begins %02x %02x %02x %02x, expected "
                         "00 00 08 and the number of dimensions",
                         path, magic[0], magic[1], magic[2], magic[3]);
    for (int i = 0; i < magic[3]; i++) {
        if (!take(file, path, size, 4, "header", error)) return false;
        found[i] = (long)size[0] << 24 | (long)size[1] << 16 | (long)size[2] << 8 | size[3];
    }
    if (!same_shape(rank, shape, magic[3] - 1, found + 1)) {
        netc_shape_text(want, sizeof want, rank, shape);
        netc_shape_text(have, sizeof have, magic[3] - 1, found + 1);
        return netc_fail(error, "%s: its samples have the shape %s, expected %s", path, have, want);
    }
    if (found[0] < 1 || found[0] > INT32_MAX / 2)
        return netc_fail(error, "%s: it claims %ld samples", path, found[0]);
    *total = found[0];
    return true;
}

static bool read_body(gzFile file, const char *path, netc_idx *idx, long sample_bytes, bool whole,
                      netc_error *error) {
    long need = idx->count * sample_bytes, have = 0, capacity = 0;
    while (have < need) {
        unsigned n = need - have < CHUNK ? (unsigned)(need - have) : CHUNK;
        uint8_t *grown = netc_grow(idx->bytes, &capacity, have + n, 1);
        if (!grown) return netc_fail(error, "%s: not enough memory", path);
        idx->bytes = grown;
        int got = gzread(file, idx->bytes + have, n), code;
        if (got > 0) have += got;
        if (got >= 0 && (unsigned)got == n) continue;
        gzerror(file, &code);
        if (code != Z_OK && code != Z_STREAM_END) return damaged(file, path, error);
        return netc_fail(error, "%s: too short: %ld samples of %ld, expected %ld", path,
                         have / sample_bytes, idx->total, idx->count);
    }
    uint8_t one;
    if (!whole) return true;
    int more = gzread(file, &one, 1);
    if (more < 0) return damaged(file, path, error);
    return !more ||
           netc_fail(error, "%s: longer than the %ld samples it claims", path, idx->total);
}

bool netc_idx_read(netc_idx *idx, const char *path, int rank, const long *shape, long limit,
                   netc_error *error) {
    struct stat status;
    *idx = (netc_idx){0};
    if (stat(path, &status)) return netc_fail(error, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode)) return netc_fail(error, "%s: not a regular file", path);
    gzFile file = gzopen(path, "rb");
    if (!file) return netc_fail(error, "%s: %s", path, strerror(errno));
    gzbuffer(file, 1 << 17);
    bool ok = read_header(file, path, rank, shape, &idx->total, error);
    if (ok) {
        idx->count = limit > 0 && limit < idx->total ? limit : idx->total;
        ok = read_body(file, path, idx, netc_elements(rank, shape), idx->count == idx->total,
                       error);
    }
    gzclose(file);
    if (!ok) {
        free(idx->bytes);
        *idx = (netc_idx){0};
    }
    return ok;
}
