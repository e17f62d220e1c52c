/* fuzz_front.c: mutations of the corpus (specs, prelude, golden files) through the front end.
 *
 * Run in the tree's root: fuzz_front [COUNT [SEED]]. Whatever comes, parsing ends, without a crash;
 * a text without errors prints as a text without errors that prints the same. Try number i is
 * drawn from SEED + i alone, so `fuzz_front 1 N` repeats the try that a failure names.
 */
#include "random.h"
#include "tree.h"
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 1 << 16, CORPUS_MAX = 200, DEFAULT_COUNT = 4000 };

typedef struct Bytes {
    char *at;
    size_t n;
} Bytes;

static Bytes corpus[CORPUS_MAX];
static int n_corpus;
static volatile long current; /* seed of the try that runs */

static const char *const words[] = {
    "net ",   "layer ", "param ", "state ", "next ", "scan ", "sum(",  "max(i) ", "[",
    "]",      "(",      ")",      "{",      "}",     "->",    "...",   "@",       "=",
    "~",      "<",      "? 1 :",  "else ",  " in ",  "- ",    "^",     "\"",      "#",
    "\n",     "1e999",  "0",      "not ",   "and ",  "model ", "train {", ".x",    "\\",
    "\xc3",   "\0",     "\r\n",   "a < b < c",
};

static void add_file(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f || n_corpus == CORPUS_MAX) {
        fprintf(stderr, "fuzz_front: cannot take %s\n", path);
        exit(2);
    }
    Bytes b = {malloc(TEXT_MAX), 0};
    b.n = fread(b.at, 1, TEXT_MAX / 2, f);
    fclose(f);
    corpus[n_corpus++] = b;
}

static void add_folder(const char *pattern) {
    glob_t g;
    if (glob(pattern, 0, NULL, &g) == 0)
        for (size_t i = 0; i < g.gl_pathc; i++) add_file(g.gl_pathv[i]);
    globfree(&g);
}

static size_t below(Random *r, size_t n) { return n ? (size_t)random_int(r, 0, (long)n - 1) : 0; }

/* Bytes `from` in place of t's [at, at + cut), as far as there is room. */
static void splice(Bytes *t, size_t at, size_t cut, const char *from, size_t n) {
    if (t->n - cut + n > TEXT_MAX) return;
    memmove(t->at + at + n, t->at + at + cut, t->n - at - cut);
    memcpy(t->at + at, from, n);
    t->n += n - cut;
}

/* A stretch of a text: anywhere, most often short. */
static size_t stretch(Random *r, size_t from, size_t n) {
    size_t length = below(r, random_int(r, 0, 3) ? 24 : n);
    return from + length > n ? n - from : length;
}

static void mutate(Random *r, Bytes *t) {
    size_t at = below(r, t->n + 1);
    switch (random_int(r, 0, 5)) {
    case 0: { /* another byte */
        char c = (char)random_bits(r);
        splice(t, at, at < t->n, &c, 1);
        break;
    }
    case 1: /* a stretch less */
        splice(t, at, stretch(r, at, t->n), "", 0);
        break;
    case 2: { /* a stretch of a file of the corpus, in place of one or between */
        const Bytes *other = &corpus[below(r, (size_t)n_corpus)];
        size_t from = below(r, other->n);
        size_t cut = random_flag(r) ? stretch(r, at, t->n) : 0;
        splice(t, at, cut, other->at + from, stretch(r, from, other->n));
        break;
    }
    case 3: { /* a stretch twice */
        char copy[TEXT_MAX];
        size_t n = stretch(r, at, t->n);
        memcpy(copy, t->at + at, n);
        splice(t, at, 0, copy, n);
        break;
    }
    default: { /* a word */
        const char *word = words[below(r, COUNT_OF(words))];
        splice(t, at, 0, word, *word ? strlen(word) : 1);
    }
    }
}

/* What must hold for any bytes; false where it does not. */
static bool check(Bytes t) {
    Arena *a = arena_new();
    Diags *d = diags_new(a);
    File *f = parse_bytes(a, d, "fuzz.net", t.at, t.n);
    Text once = {.arena = a}, twice = {.arena = a}, all = {.arena = a};
    diags_print(&all, d);
    if (f) tree_print(&once, f);
    bool ok = f || diags_errors(d) > 0;
    if (f && !diags_errors(d) && once.n) {
        File *again = parse_text(a, d, "print.net", once.at);
        if (again) tree_print(&twice, again);
        ok = again && !diags_errors(d) && twice.n && !strcmp(once.at, twice.at);
        if (!ok) diags_write(stderr, d);
    }
    arena_free(a);
    return ok;
}

static void on_signal(int number) {
    static const char text[] = "fuzz_front: a signal; repeat with: fuzz_front 1 ";
    char digits[24];
    int n = 0;
    for (long x = current; x || !n; x /= 10) digits[n++] = (char)('0' + x % 10);
    if (write(2, text, sizeof text - 1) < 0) _exit(1);
    while (n && write(2, &digits[--n], 1) == 1) continue;
    _exit(write(2, "\n", 1) == 1 ? 1 : 2);
}

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : DEFAULT_COUNT, seed = argc > 2 ? atol(argv[2]) : 1;
    add_folder("specs/*.net");
    add_folder("compiler/prelude/*.net");
    add_folder("tests/golden/*.net");
    if (!n_corpus) {
        fprintf(stderr, "fuzz_front: no corpus: run it in the root of the tree\n");
        return 2;
    }
    signal(SIGABRT, on_signal);
    signal(SIGSEGV, on_signal);
    static char text[TEXT_MAX];
    for (long i = 0; i < count; i++) {
        Random r = {(uint64_t)(current = seed + i)};
        const Bytes *start = &corpus[below(&r, (size_t)n_corpus)];
        Bytes t = {text, start->n};
        memcpy(text, start->at, start->n);
        for (long n = 1 + random_int(&r, 0, 5); n; n--) mutate(&r, &t);
        if (check(t)) continue;
        fprintf(stderr, "fuzz_front: failed; repeat with: fuzz_front 1 %ld\n%.*s", seed + i,
                (int)t.n, t.at);
        return 1;
    }
    printf("fuzz_front: %ld tries from %d files\n", count, n_corpus);
    return 0;
}
