/* files.c: files that appear whole, folders, the clock; and how a study fails. */
#define _GNU_SOURCE
#include "study.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

_Noreturn void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fputs("netc study: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

char *read_text(Arena *a, const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    struct stat status;
    char *text = NULL;
    if (!fstat(fileno(f), &status) && S_ISREG(status.st_mode)) {
        text = arena_alloc(a, (size_t)status.st_size + 1);
        if (fread(text, 1, (size_t)status.st_size, f) != (size_t)status.st_size) text = NULL;
    }
    fclose(f);
    return text;
}

/* Beside first, synced, then in its place. */
void write_text(Study *s, const char *path, const char *text) {
    const char *beside = arena_printf(s->arena, "%s.part", path);
    size_t n = strlen(text);
    FILE *f = fopen(beside, "w");
    bool good = f && fwrite(text, 1, n, f) == n && !fflush(f) && !fsync(fileno(f));
    if (f) good &= !fclose(f);
    if (!good || rename(beside, path)) fail("cannot write %s: %s", path, strerror(errno));
}

void write_json(Study *s, const char *path, json_t *j) {
    char *text = json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    if (!text) fail("cannot write %s: no memory", path);
    write_text(s, path, text);
    free(text);
    json_decref(j);
}

json_t *read_json(const char *path) { return json_load_file(path, 0, NULL); }

void make_folders(const char *path) {
    char part[4096];
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1;; p++) {
        char here = *p;
        if (here && here != '/') continue;
        *p = 0;
        if (mkdir(part, 0777) && errno != EEXIST)
            fail("cannot make the folder %s: %s", part, strerror(errno));
        if (!here) return;
        *p = here;
    }
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at) {
    return remove(path);
}

void remove_tree(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

bool file_exists(const char *path) { return !access(path, F_OK); }

double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
