/* data.c: the data set that a spec names: finding its files, checking them, splitting, shuffling.
 *
 * Random choices are counted, not drawn in sequence: Philox keyed by the seed, at sites from the
 * top end, which no network reaches. So the order of an epoch hangs on its number alone.
 */
#include "internal.h"
#include <stdlib.h>
#include <sys/stat.h>

#define DATA_ROOT "/usr/share/datasets"
enum { SITE_SHUFFLE = -1, SITE_SPLIT = -2 };

static void shuffle(int32_t *index, long n, uint64_t seed, int site, uint32_t epoch) {
    for (long i = n - 1; i > 0; i--) {
        uint32_t word = netc_philox(seed, (uint32_t)site, epoch, 0, (uint32_t)i);
        long j = (long)(((uint64_t)word * (uint64_t)(i + 1)) >> 32);
        int32_t t = index[i];
        index[i] = index[j];
        index[j] = t;
    }
}

void netc_shuffle(int32_t *index, long n, uint64_t seed, uint32_t epoch) {
    shuffle(index, n, seed, SITE_SHUFFLE, epoch);
}

static bool exists(const char *path) {
    struct stat status;
    return !stat(path, &status);
}

/* The path of `name` in the folder, or without its .gz; or false. */
static bool in_folder(char *path, const char *folder, const char *sub, const char *name) {
    size_t n = strlen(name);
    snprintf(path, NETC_PATH, "%s/%s/%s", folder, sub, name);
    if (exists(path)) return true;
    if (n < 3 || strcmp(name + n - 3, ".gz")) return false;
    path[strlen(path) - 3] = 0;
    return exists(path);
}

/* Where a data set is looked for: in the folder that was given, else in the package's. */
static bool find(char *path, const netc_data *spec, const char *folder, const char *name) {
    if (!folder || !*folder) folder = getenv("NETC_DATA");
    const char *root = folder && *folder ? folder : DATA_ROOT;
    return in_folder(path, root, spec->folder, name) || in_folder(path, root, ".", name);
}

static void how_to_get(const netc_data *spec, netc_error *error) {
    netc_fail_more(error,
                   "\nThe data set %s is looked for in the folder of --data or NETC_DATA (or in %s "
                   "below it), else in %s/%s.",
                   spec->name, spec->folder, DATA_ROOT, spec->folder);
    if (spec->package)
        netc_fail_more(error, "\nTo install it: `make deps`, or `apt-get install %s`.",
                       spec->package);
}

static bool read_pair(netc_samples *to, const netc_data *spec, const char *folder,
                      const char *const file[2], long limit, netc_error *error) {
    char path[2][NETC_PATH];
    netc_idx images, labels;
    for (int i = 0; i < 2; i++)
        if (!find(path[i], spec, folder, file[i]))
            return netc_fail(error, "cannot find %s", file[i]);
    if (!netc_idx_read(&images, path[0], spec->rank, spec->shape, limit, error)) return false;
    to->bytes = images.bytes;
    if (!netc_idx_read(&labels, path[1], 0, NULL, limit, error)) return false;
    to->label = labels.bytes;
    to->count = images.count;
    if (images.total != labels.total)
        return netc_fail(error, "%s has %ld samples, but %s has %ld labels", path[0], images.total,
                         path[1], labels.total);
    for (long i = 0; i < labels.count; i++)
        if (spec->n_classes && labels.bytes[i] >= spec->n_classes)
            return netc_fail(error, "%s: label %ld is %d, expected 0 to %d", path[1], i,
                             labels.bytes[i], spec->n_classes - 1);
    return true;
}

/* By exact sums in integers: the order of the samples does not matter. */
static void statistics(netc_dataset *d) {
    uint64_t sum = 0, count = (uint64_t)d->n_train * (uint64_t)d->sample_bytes;
    unsigned __int128 squares = 0;
    for (long i = 0; i < d->n_train; i++) {
        const uint8_t *at = d->train.bytes + d->index[i] * d->sample_bytes;
        uint64_t one = 0, square = 0;
        for (long k = 0; k < d->sample_bytes; k++) {
            one += at[k];
            square += (uint64_t)at[k] * at[k];
        }
        sum += one;
        squares += square;
    }
    unsigned __int128 spread = squares * count - (unsigned __int128)sum * sum;
    d->mean = (double)sum / (double)count;
    d->std = netc_sqrt((double)spread) / (double)count;
}

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* The share in use, then what of it validates: both chosen at random by the seed, kept in order. */
static bool split(netc_dataset *d, uint64_t seed, netc_error *error) {
    long all = d->train.count, used = all;
    d->index = malloc((size_t)all * sizeof *d->index);
    if (!d->index) return netc_fail(error, "not enough memory");
    for (long i = 0; i < all; i++) d->index[i] = (int32_t)i;
    if (d->spec->use < 1 || d->spec->validation > 0)
        shuffle(d->index, all, seed, SITE_SPLIT, 0);
    if (d->spec->use < 1) used = (long)netc_floor(d->spec->use * (double)all + 0.5);
    d->n_validation = (long)netc_floor(d->spec->validation * (double)used + 0.5);
    d->n_train = used - d->n_validation;
    if (d->n_train < 1)
        return netc_fail(error, "the split leaves no training samples of %ld", all);
    qsort(d->index, (size_t)d->n_train, sizeof *d->index, ascending);
    qsort(d->index + d->n_train, (size_t)d->n_validation, sizeof *d->index, ascending);
    return true;
}

bool netc_dataset_open(netc_dataset *d, const netc_data *spec, const char *folder, uint64_t seed,
                       long limit, int which, netc_error *error) {
    *d = (netc_dataset){.spec = spec, .sample_bytes = netc_elements(spec->rank, spec->shape)};
    bool ok = true;
    if (which & NETC_TRAINING_FILES)
        ok = read_pair(&d->train, spec, folder, spec->train, limit, error);
    if (ok && (which & NETC_TEST_FILES))
        ok = read_pair(&d->test, spec, folder, spec->test, limit, error);
    if (!ok) how_to_get(spec, error);
    if (ok && (which & NETC_TRAINING_FILES)) {
        ok = split(d, seed, error);
        if (ok) statistics(d);
    }
    if (!ok) netc_dataset_close(d);
    return ok;
}

void netc_dataset_close(netc_dataset *d) {
    free(d->train.bytes);
    free(d->train.label);
    free(d->test.bytes);
    free(d->test.label);
    free(d->index);
    *d = (netc_dataset){0};
}
