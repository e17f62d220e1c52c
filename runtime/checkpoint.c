/* checkpoint.c: a training on disk, as a safetensors file that other tools read.
 *
 * Tensors are saved in row-major order under their names from the spec, whatever the compiled
 * layout; where a training stands is in __metadata__, as text that reads back to the same bits. A
 * file is written beside its target, synced and renamed, so that a failure at any point leaves the
 * one that was there; it is checked whole before anything of it is used.
 */
#define _GNU_SOURCE
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <locale.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "netc 1"
#define LAST "last/"

/* ---- the header ---- */

static void write_U64(FILE *f, uint64_t x) { fprintf(f, "%" PRIu64, x); }
static void write_LONG(FILE *f, long x) { fprintf(f, "%ld", x); }
static void write_DOUBLE(FILE *f, double x) { fprintf(f, "%.17g", x); }

static void write_meta(FILE *f, const netc_net *net, const netc_position *p) {
    fprintf(f, "{\"__metadata__\":{\"format\":\"%s\",\"net\":", FORMAT);
    netc_json_string(f, net->name);
    fprintf(f, ",\"hash\":\"%016" PRIx64 "\"", net->hash);
#define X(type, name, what)             \
    fprintf(f, ",\"%s\":\"", #name);    \
    write_##type(f, p->name);           \
    fputc('"', f);
    NETC_POSITION(X)
#undef X
    fputc('}', f);
}

static size_t write_entry(FILE *f, const netc_tensor *t, const char *prefix, size_t at) {
    size_t bytes = (size_t)netc_elements(t->rank, t->shape) * sizeof(float);
    char name[512];
    snprintf(name, sizeof name, "%s%s", prefix, t->name);
    fputc(',', f);
    netc_json_string(f, name);
    fputs(":{\"dtype\":\"F32\",\"shape\":[", f);
    for (int i = 0; i < t->rank; i++) fprintf(f, "%s%ld", i ? "," : "", t->shape[i]);
    fprintf(f, "],\"data_offsets\":[%zu,%zu]}", at, at + bytes);
    return at + bytes;
}

/* The header's text, padded with spaces to a multiple of 8 bytes; null: no memory. */
static char *make_header(const netc_net *net, bool has_best, const netc_position *p,
                         size_t *length) {
    char *text = NULL;
    size_t at = 0, n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return NULL;
    write_meta(f, net, p);
    for (int i = 0; i < net->n_tensors; i++) at = write_entry(f, &net->tensor[i], "", at);
    for (int i = 0; has_best && i < net->n_tensors; i++)
        if (net->tensor[i].kind != NETC_OPTIMIZER)
            at = write_entry(f, &net->tensor[i], LAST, at);
    fputc('}', f);
    fflush(f);
    for (size_t k = n; k % 8; k++) fputc(' ', f);
    if (fclose(f)) {
        free(text);
        return NULL;
    }
    *length = n;
    return text;
}

/* ---- writing ---- */

static void write_tensor(FILE *f, const netc_tensor *t, const void *state, float *work) {
    netc_tensor_get(t, state, work);
    fwrite(work, sizeof *work, (size_t)netc_elements(t->rank, t->shape), f);
}

static bool write_all(FILE *f, const netc_net *net, const void *state, const void *best,
                      const netc_position *p) {
    size_t length;
    char *header = make_header(net, best != NULL, p, &length);
    float *work = netc_alloc((size_t)netc_largest_tensor(net) * sizeof *work);
    bool ok = header && work;
    if (ok) {
        for (int i = 0; i < 8; i++) fputc((int)((uint64_t)length >> (8 * i) & 0xff), f);
        fwrite(header, 1, length, f);
        for (int i = 0; i < net->n_tensors; i++) {
            const netc_tensor *t = &net->tensor[i];
            write_tensor(f, t, best && t->kind != NETC_OPTIMIZER ? best : state, work);
        }
        for (int i = 0; best && i < net->n_tensors; i++)
            if (net->tensor[i].kind != NETC_OPTIMIZER)
                write_tensor(f, &net->tensor[i], state, work);
        ok = !fflush(f) && !ferror(f);
    } else {
        errno = ENOMEM;
    }
    free(header);
    free(work);
    return ok;
}

/* Where to write: through links; `beside` is the temporary's name, empty for what is no regular
 * file (a device), which is written in place. */
static bool resolve(const char *path, char target[NETC_PATH], char beside[NETC_PATH + 32],
                    netc_error *error) {
    struct stat status;
    char *real = realpath(path, NULL);
    snprintf(target, NETC_PATH, "%s", real ? real : path);
    free(real);
    *beside = 0;
    if (!stat(target, &status)) {
        if (S_ISDIR(status.st_mode))
            return netc_fail(error, "%s: cannot be written: it is a folder", path);
        if (!S_ISREG(status.st_mode)) return true;
    }
    snprintf(beside, NETC_PATH + 32, "%s.part%ld", target, (long)getpid());
    return true;
}

/* A new file beside, or the device itself. */
static FILE *create(const char *beside, const char *target) {
    if (*beside) unlink(beside);
    int fd = *beside ? open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)
                     : open(target, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    FILE *f = fdopen(fd, "wb");
    if (!f) close(fd);
    return f;
}

/* The rename itself must reach the disk too. */
static void sync_folder(char *target) {
    int fd = open(dirname(target), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

bool netc_checkpoint_probe(const char *path, netc_error *error) {
    char target[NETC_PATH], beside[NETC_PATH + 32];
    if (!resolve(path, target, beside, error)) return false;
    if (!*beside) return true;
    FILE *f = create(beside, target);
    if (!f) return netc_fail(error, "%s: cannot be written: %s", path, strerror(errno));
    fclose(f);
    unlink(beside);
    return true;
}

bool netc_checkpoint_write(const char *path, const netc_net *net, const void *state,
                           const void *best, const netc_position *position, netc_error *error) {
    char target[NETC_PATH], beside[NETC_PATH + 32];
    if (!resolve(path, target, beside, error)) return false;
    FILE *f = create(beside, target);
    bool ok = f && write_all(f, net, state, best, position);
    if (ok && *beside) ok = !fsync(fileno(f));
    int why = errno;
    if (f && fclose(f) && ok) {
        ok = false;
        why = errno;
    }
    if (ok && *beside && rename(beside, target)) {
        ok = false;
        why = errno;
    }
    if (!ok) {
        if (f && *beside) unlink(beside);
        return netc_fail(error, "%s: cannot be written: %s%s", path, strerror(why),
                         *beside && !access(target, F_OK) ? "; what it held before is intact" : "");
    }
    if (*beside) sync_folder(target);
    return true;
}

/* ---- reading ---- */

static bool parse_U64(const char *s, uint64_t *x) {
    char *end;
    errno = 0;
    *x = strtoull(s, &end, 10);
    return *s >= '0' && *s <= '9' && !*end && !errno;
}

static bool parse_LONG(const char *s, long *x) {
    char *end;
    errno = 0;
    *x = strtol(s, &end, 10);
    return *s >= '0' && *s <= '9' && !*end && !errno;
}

/* In the C locale, whatever the program's. */
static bool parse_DOUBLE(const char *s, double *x) {
    char *end;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c) return false;
    *x = strtod_l(s, &end, c);
    freelocale(c);
    return *s && !*end && *x == *x;
}

static bool read_position(const netc_safetensors *s, netc_position *p, const char **wrong) {
    const char *value;
#define X(type, name, what)                                                   \
    value = netc_safetensors_meta(s, #name);                                  \
    *wrong = #name;                                                           \
    if (!value || !parse_##type(value, &p->name)) return false;
    NETC_POSITION(X)
#undef X
    return true;
}

static const netc_tensor *find_tensor(const netc_net *net, const char *name, size_t n) {
    for (int i = 0; i < net->n_tensors; i++)
        if (!strncmp(net->tensor[i].name, name, n) && !net->tensor[i].name[n])
            return &net->tensor[i];
    return NULL;
}

/* Ours, or (for weights alone, that another optimizer may have trained) a state of a parameter. */
static bool known(const netc_net *net, const char *name, bool weights_only) {
    size_t last = strlen(LAST);
    if (!strncmp(name, LAST, last)) name += last;
    if (find_tensor(net, name, strlen(name))) return true;
    const char *dot = strrchr(name, '.');
    return weights_only && dot && find_tensor(net, name, (size_t)(dot - name));
}

static const netc_entry *entry_of(const netc_safetensors *s, const netc_tensor *t,
                                  const char *prefix) {
    char name[512];
    snprintf(name, sizeof name, "%s%s", prefix, t->name);
    return netc_safetensors_find(s, name);
}

static const float *values_of(const netc_safetensors *s, const netc_entry *e) {
    return (const float *)(const void *)(s->data + e->begin);
}

static bool check_tensor(const netc_safetensors *s, const netc_net *net, const netc_tensor *t,
                         const char *prefix, netc_error *error) {
    const netc_entry *e = entry_of(s, t, prefix);
    char want[128], have[128];
    if (!e)
        return netc_fail(error, "it has no tensor '%s%s': it %s", prefix, t->name,
                         t->kind == NETC_OPTIMIZER ? "holds weights, not a training to go on with"
                                                   : "is another network's");
    if (e->rank != t->rank || memcmp(e->shape, t->shape, (size_t)t->rank * sizeof *t->shape)) {
        netc_shape_text(want, sizeof want, t->rank, t->shape);
        netc_shape_text(have, sizeof have, e->rank, e->shape);
        return netc_fail(error,
                         "its tensor '%.80s' has the shape %s, but %s's has %s: it is another "
                         "network's",
                         e->name, have, net->name, want);
    }
    const float *at = values_of(s, e);
    for (size_t i = 0; i < (e->end - e->begin) / sizeof *at; i++)
        if (!(at[i] - at[i] == 0))
            return netc_fail(error, "its tensor '%s' has an element that is not a finite number",
                             e->name);
    return true;
}

static bool check_all(const netc_safetensors *s, const netc_net *net, bool weights_only,
                      bool has_last, netc_error *error) {
    for (int i = 0; i < net->n_tensors; i++) {
        const netc_tensor *t = &net->tensor[i];
        bool rule = t->kind == NETC_OPTIMIZER;
        if (rule && weights_only) continue;
        if (!check_tensor(s, net, t, "", error)) return false;
        if (has_last && !rule && !check_tensor(s, net, t, LAST, error)) return false;
    }
    for (long i = 0; i < s->n_entries; i++)
        if (!known(net, s->entry[i].name, weights_only))
            return netc_fail(error, "its tensor '%.80s' is none of %s's: it is another network's",
                             s->entry[i].name, net->name);
    return true;
}

static void take(const netc_safetensors *s, const netc_tensor *t, const char *prefix,
                 void *state) {
    netc_tensor_set(t, state, values_of(s, entry_of(s, t, prefix)));
}

static bool has_last(const netc_safetensors *s) {
    for (long i = 0; i < s->n_entries; i++)
        if (!strncmp(s->entry[i].name, LAST, strlen(LAST))) return true;
    return false;
}

static bool is_ours(const netc_safetensors *s) {
    const char *format = netc_safetensors_meta(s, "format");
    return format && !strcmp(format, FORMAT);
}

/* The state block's tensors have been read: what the network makes of them follows. */
static bool settle(const netc_net *net, void *state, netc_error *error) {
    if (!net->settle) return true;
    netc_call call = {.state = state, .arena = netc_alloc(net->arena_bytes)};
    if (!call.arena) return netc_fail(error, "not enough memory");
    net->settle(&call);
    free(call.arena);
    return true;
}

bool netc_load_weights(const netc_net *net, void *state, const char *path, double *data_mean,
                       double *data_std, netc_error *error) {
    netc_safetensors s;
    netc_error why = {""};
    *data_mean = *data_std = netc_nan();
    if (!netc_safetensors_read(&s, path, error)) return false;
    bool ok = check_all(&s, net, true, false, &why);
    if (!ok) netc_fail(error, "%s: %s", path, why.text);
    for (int i = 0; ok && i < net->n_tensors; i++)
        if (net->tensor[i].kind != NETC_OPTIMIZER) take(&s, &net->tensor[i], "", state);
    netc_position p;
    const char *wrong;
    if (ok && is_ours(&s) && read_position(&s, &p, &wrong)) {
        *data_mean = p.data_mean;
        *data_std = p.data_std;
    }
    netc_safetensors_free(&s);
    return ok && settle(net, state, error);
}

bool netc_checkpoint_begin(const char *path, const netc_net *net, void *state, int *n,
                           netc_error *error) {
    netc_safetensors s;
    netc_error why;
    *n = 0;
    if (!netc_safetensors_read(&s, path, error)) return false;
    for (int i = 0; i < net->n_tensors; i++) {
        const netc_tensor *t = &net->tensor[i];
        if (t->kind == NETC_OPTIMIZER || !check_tensor(&s, net, t, "", &why)) continue;
        take(&s, t, "", state);
        ++*n;
    }
    netc_safetensors_free(&s);
    return settle(net, state, error);
}

static bool is_finite(double x) { return x - x == 0; }

/* Nothing in it may send the training where it could not have come from. */
static bool is_consistent(const netc_position *p) {
    if (p->batch < 1 || p->batch > INT32_MAX || p->samples < 1 || p->samples > INT32_MAX ||
        p->epochs < 1 || p->epochs > INT32_MAX || p->epoch > p->epochs)
        return false;
    long steps = (p->samples + p->batch - 1) / p->batch;
    return p->step / steps == p->epoch && p->step <= p->epochs * steps &&
           p->best_epoch <= p->epoch && p->waited <= p->epoch && p->plateau_waited <= p->epoch &&
           p->stopped <= 1 && p->rate_scale > 0 && is_finite(p->rate_scale) &&
           is_finite(p->loss_sum) && is_finite(p->data_mean) && is_finite(p->data_std);
}

static bool check_position(const netc_safetensors *s, netc_position *p, netc_error *error) {
    const char *wrong;
    if (!is_ours(s)) return netc_fail(error, "it holds weights, not a training to go on with");
    if (!read_position(s, p, &wrong))
        return netc_fail(error, "its metadata has no valid %s", wrong);
    return is_consistent(p) || netc_fail(error, "its metadata contradicts itself");
}

bool netc_checkpoint_read(netc_checkpoint *c, const char *path, const netc_net *net, void *state,
                          void *best, netc_error *error) {
    netc_safetensors s;
    netc_error why = {""};
    if (!netc_safetensors_read(&s, path, error)) return false;
    bool last = has_last(&s);
    bool ok = check_position(&s, &c->position, &why) && check_all(&s, net, false, last, &why);
    if (!ok) netc_fail(error, "%s: %s", path, why.text);
    for (int i = 0; ok && i < net->n_tensors; i++) {
        const netc_tensor *t = &net->tensor[i];
        bool rule = t->kind == NETC_OPTIMIZER;
        take(&s, t, last && !rule ? LAST : "", state);
        if (last && !rule) take(&s, t, "", best);
    }
    if (ok) {
        char hash[32];
        const char *written = netc_safetensors_meta(&s, "hash");
        snprintf(hash, sizeof hash, "%016" PRIx64, net->hash);
        c->has_best = last;
        c->same_hash = written && !strcmp(written, hash);
    }
    netc_safetensors_free(&s);
    return ok && settle(net, state, error) && (!last || settle(net, best, error));
}
