/* safetensors.c: reading the safetensors format (a little-endian 64-bit length, a JSON header of
 * that many bytes, the tensors' bytes without holes), of which the runtime takes F32.
 *
 * Requires nothing of the file; establishes that every entry lies within the data, that its size
 * fits its shape, that entries neither overlap nor leave holes, and that names differ.
 */
#include "internal.h"
#include "json.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MAX_HEADER = 16 << 20 };

static bool read_shape(netc_json *j, netc_entry *e) {
    if (!netc_json_expect(j, '[')) return false;
    if (netc_json_eat(j, ']')) return true;
    do {
        if (e->rank == NETC_MAX_RANK) return netc_json_wrong(j, "fewer dimensions");
        if (!netc_json_read_whole(j, &e->shape[e->rank++])) return false;
    } while (netc_json_eat(j, ','));
    return netc_json_expect(j, ']');
}

static bool read_offsets(netc_json *j, netc_entry *e) {
    long begin, end;
    if (!netc_json_expect(j, '[') || !netc_json_read_whole(j, &begin) ||
        !netc_json_expect(j, ',') || !netc_json_read_whole(j, &end) || !netc_json_expect(j, ']'))
        return false;
    e->begin = (size_t)begin;
    e->end = (size_t)end;
    return true;
}

/* {"dtype": "F32", "shape": [...], "data_offsets": [begin, end]}, in any order. */
static bool read_entry(netc_json *j, netc_entry *e) {
    int seen = 0;
    if (!netc_json_expect(j, '{')) return false;
    do {
        char *key = netc_json_read_string(j);
        int bit;
        if (!key || !netc_json_expect(j, ':')) return false;
        if (!strcmp(key, "dtype")) {
            char *type = netc_json_read_string(j);
            if (!type) return false;
            if (strcmp(type, "F32")) return netc_json_wrong(j, "tensors of type F32");
            bit = 1;
        } else if (!strcmp(key, "shape")) {
            if (!(seen & 2) && !read_shape(j, e)) return false;
            bit = 2;
        } else if (!strcmp(key, "data_offsets")) {
            if (!read_offsets(j, e)) return false;
            bit = 4;
        } else {
            return netc_json_wrong(j, "dtype, shape or data_offsets");
        }
        if (seen & bit) return netc_json_wrong(j, "each key once");
        seen |= bit;
    } while (netc_json_eat(j, ','));
    if (seen != 7) return netc_json_wrong(j, "dtype, shape and data_offsets");
    return netc_json_expect(j, '}');
}

static bool read_meta(netc_json *j, netc_safetensors *s) {
    if (!netc_json_expect(j, '{')) return false;
    if (netc_json_eat(j, '}')) return true;
    do {
        netc_meta m;
        m.key = netc_json_read_string(j);
        if (!m.key || !netc_json_expect(j, ':')) return false;
        m.value = netc_json_read_string(j);
        if (!m.value) return false;
        netc_meta *grown = netc_grow(s->meta, &s->meta_capacity, s->n_meta + 1, sizeof *s->meta);
        if (!grown) return netc_json_wrong(j, "more memory");
        s->meta = grown;
        s->meta[s->n_meta++] = m;
    } while (netc_json_eat(j, ','));
    return netc_json_expect(j, '}');
}

static bool read_object(netc_json *j, netc_safetensors *s) {
    if (!netc_json_expect(j, '{')) return false;
    if (netc_json_eat(j, '}')) return netc_json_at_end(j);
    do {
        netc_entry e = {.name = netc_json_read_string(j)};
        if (!e.name || !netc_json_expect(j, ':')) return false;
        if (!strcmp(e.name, "__metadata__")) {
            if (s->n_meta || !read_meta(j, s)) return netc_json_wrong(j, "metadata once");
            continue;
        }
        if (!read_entry(j, &e)) return false;
        netc_entry *grown =
            netc_grow(s->entry, &s->entry_capacity, s->n_entries + 1, sizeof *s->entry);
        if (!grown) return netc_json_wrong(j, "more memory");
        s->entry = grown;
        s->entry[s->n_entries++] = e;
    } while (netc_json_eat(j, ','));
    return netc_json_expect(j, '}') && netc_json_at_end(j);
}

static int by_begin(const void *a, const void *b) {
    const netc_entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const netc_entry *)a)->name, ((const netc_entry *)b)->name);
}

static bool size_fits(const netc_entry *e) {
    size_t n = sizeof(float);
    for (int i = 0; i < e->rank; i++)
        if (__builtin_mul_overflow(n, (size_t)e->shape[i], &n)) return false;
    return e->end >= e->begin && e->end - e->begin == n;
}

static bool check_entries(netc_safetensors *s, netc_error *error) {
    size_t at = 0;
    if (s->n_entries) qsort(s->entry, (size_t)s->n_entries, sizeof *s->entry, by_begin);
    for (long i = 0; i < s->n_entries; at = s->entry[i++].end) {
        if (!size_fits(&s->entry[i]))
            return netc_fail(error, "the bytes of tensor '%.80s' do not fit its shape",
                             s->entry[i].name);
        if (s->entry[i].begin != at)
            return netc_fail(error, "tensor '%.80s' begins at byte %zu, expected %zu",
                             s->entry[i].name, s->entry[i].begin, at);
    }
    if (at != s->data_bytes)
        return netc_fail(error, "its tensors take %zu bytes, but it holds %zu", at, s->data_bytes);
    if (s->n_entries) qsort(s->entry, (size_t)s->n_entries, sizeof *s->entry, by_name);
    for (long i = 1; i < s->n_entries; i++)
        if (!strcmp(s->entry[i - 1].name, s->entry[i].name))
            return netc_fail(error, "it has tensor '%.80s' twice", s->entry[i].name);
    return true;
}

bool netc_safetensors_header(netc_safetensors *s, netc_error *error) {
    netc_json j = {.start = s->header, .at = s->header};
    if (!read_object(&j, s))
        return netc_fail(error, "its header is wrong at byte %ld: expected %s",
                         (long)(j.at - j.start), j.wrong);
    return check_entries(s, error);
}

static bool read_file(netc_safetensors *s, FILE *f, uint64_t size, netc_error *error) {
    uint8_t length[8];
    uint64_t n = 0;
    if (size < 8 || fread(length, 1, 8, f) != 8) return netc_fail(error, "it is too short");
    for (int i = 7; i >= 0; i--) n = n << 8 | length[i];
    if (n > MAX_HEADER || n > size - 8)
        return netc_fail(error, "its header is said to have %llu bytes, the file has %llu",
                         (unsigned long long)n, (unsigned long long)size);
    s->data_bytes = size - 8 - n;
    s->header = malloc(n + 1);
    s->data = malloc(s->data_bytes + 1);
    if (!s->header || !s->data) return netc_fail(error, "not enough memory");
    if (fread(s->header, 1, n, f) != n || fread(s->data, 1, s->data_bytes, f) != s->data_bytes)
        return netc_fail(error, "it is shorter than it was");
    s->header[n] = 0;
    if (strlen(s->header) != n) return netc_fail(error, "its header has a zero byte");
    return netc_safetensors_header(s, error);
}

bool netc_safetensors_read(netc_safetensors *s, const char *path, netc_error *error) {
    struct stat status;
    netc_error why = {""};
    *s = (netc_safetensors){0};
    if (stat(path, &status)) return netc_fail(error, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode)) return netc_fail(error, "%s: not a regular file", path);
    FILE *f = fopen(path, "rb");
    if (!f) return netc_fail(error, "%s: %s", path, strerror(errno));
    bool ok = read_file(s, f, (uint64_t)status.st_size, &why);
    fclose(f);
    if (ok) return true;
    netc_safetensors_free(s);
    return netc_fail(error, "%s: not a safetensors file that netc can read: %s", path, why.text);
}

const netc_entry *netc_safetensors_find(const netc_safetensors *s, const char *name) {
    netc_entry key = {.name = name};
    if (!s->n_entries) return NULL;
    return bsearch(&key, s->entry, (size_t)s->n_entries, sizeof *s->entry, by_name);
}

const char *netc_safetensors_meta(const netc_safetensors *s, const char *key) {
    for (long i = 0; i < s->n_meta; i++)
        if (!strcmp(s->meta[i].key, key)) return s->meta[i].value;
    return NULL;
}

void netc_safetensors_free(netc_safetensors *s) {
    free(s->header);
    free(s->data);
    free(s->entry);
    free(s->meta);
    *s = (netc_safetensors){0};
}
