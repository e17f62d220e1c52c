/* fuzz_elaborate.c: specs with tokens dropped, swapped, doubled and replaced, and the library's own
 * text before them so that its layers change too, through the elaborator.
 *
 * Run in the tree's root: fuzz_elaborate [COUNT [SEED]]. Whatever comes, there is a program whose
 * graphs keep the rules of graph.h, or at least one error; and soon. Try number i is drawn from
 * SEED + i alone, so `fuzz_elaborate 1 N` repeats the try that a failure names.
 */
#include "elaborate.h"
#include "random.h"
#include <ctype.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { TOKENS_MAX = 20000, CORPUS_MAX = 100, DEFAULT_COUNT = 1500, SECONDS = 20 };

static char *corpus[CORPUS_MAX], *library[16];
static int n_corpus, n_library;
static volatile long current; /* seed of the try that runs */

typedef struct Tokens {
    const char *at[TOKENS_MAX]; /* each with the space after it */
    size_t length[TOKENS_MAX];
    int n;
} Tokens;

static const char *const words[] = {
    "0 ",       "1 ",   "2 ",    "7 ",     "100 ",    "0.5 ",       "1000000 ", "2147483647 ",
    "4294967296 ", "in ", "out ", "x ",    "label ",  "k ",         "i ",       "next ",
    "-",        "+ ",   "true ", "stop(",  "normal(", "batch ",     "sum(i) ",  "max(i < 3) ",
    "training ? ", "else ", "relu ", "size(", "w ",   "grad ",      "scan t {", "}",
};

static char *read_all(const char *path) {
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 1 << 16);
    if (!f || !text || !fread(text, 1, (1 << 16) - 1, f)) {
        fprintf(stderr, "fuzz_elaborate: cannot read %s\n", path);
        exit(2);
    }
    fclose(f);
    return text;
}

static void add_folder(const char *pattern, char **to, int *n, int most) {
    glob_t g;
    if (glob(pattern, 0, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc && *n < most; i++) to[(*n)++] = read_all(g.gl_pathv[i]);
    }
    globfree(&g);
}

static const char *read_import(void *context, Arena *a, const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *text = arena_alloc(a, 1 << 16);
    *n = fread(text, 1, (1 << 16) - 1, f);
    fclose(f);
    return text;
}

/* --- tokens --- */

static size_t token_length(const char *s) {
    size_t n = 1;
    if (*s == '#') return strcspn(s, "\n");
    if (*s == '"') return strcspn(s + 1, "\"\n") + 2;
    if (!strncmp(s, "...", 3)) return 3;
    if (strchr("-<>=!", *s) && (s[1] == '=' || s[1] == '>')) return 2;
    while (isalnum((unsigned char)s[0]) && (isalnum((unsigned char)s[n]) || s[n] == '_')) n++;
    return n;
}

static void add_tokens(Tokens *t, const char *s) {
    s += strspn(s, " \n\t");
    while (*s && t->n < TOKENS_MAX) {
        size_t n = token_length(s);
        if (n > strlen(s)) n = strlen(s);
        n += strspn(s + n, " \n\t");
        t->at[t->n] = s;
        t->length[t->n++] = n;
        s += n;
    }
}

static void swap(Tokens *t, int i, int j) {
    const char *at = t->at[i];
    size_t length = t->length[i];
    t->at[i] = t->at[j];
    t->length[i] = t->length[j];
    t->at[j] = at;
    t->length[j] = length;
}

static void mutate(Random *r, Tokens *t) {
    int i = (int)random_int(r, 0, t->n - 1), j = (int)random_int(r, 0, t->n - 1);
    switch (random_int(r, 0, 4)) {
    case 0:
        memmove(t->at + i, t->at + i + 1, sizeof *t->at * (size_t)(t->n - i - 1));
        memmove(t->length + i, t->length + i + 1, sizeof *t->length * (size_t)(t->n - i - 1));
        t->n -= t->n > 1;
        break;
    case 1:
        t->at[i] = t->at[j];
        t->length[i] = t->length[j];
        break;
    case 2: swap(t, i, j); break;
    case 3:
        t->at[i] = words[random_int(r, 0, COUNT_OF(words) - 1)];
        t->length[i] = strlen(t->at[i]);
        break;
    default:
        j = i + 1 + (int)random_int(r, 0, 4);
        if (j < t->n) swap(t, i, j);
    }
}

static char *joined(Arena *a, const Tokens *t) {
    size_t n = 0;
    for (int i = 0; i < t->n; i++) n += t->length[i];
    char *text = arena_alloc(a, n + 1), *s = text;
    for (int i = 0; i < t->n; i++) {
        memcpy(s, t->at[i], t->length[i]);
        s += t->length[i];
    }
    return text;
}

/* --- a try --- */

/* Was there a program? Or, -1, neither that nor an error. */
static int try(Random *r) {
    static Tokens t;
    t.n = 0;
    for (int i = 0; i < n_library; i++) {
        if (random_flag(r)) add_tokens(&t, library[i]);
    }
    add_tokens(&t, corpus[random_int(r, 0, n_corpus - 1)]);
    for (long n = random_int(r, 0, 3); n; n--) mutate(r, &t);
    Arena *a = arena_new();
    Diags *d = diags_new(a);
    ElabOptions options = {.read = read_import};
    File *f = parse_text(a, d, "specs/fuzz.net", joined(a, &t));
    Program *p = f ? elaborate(a, d, f, &options) : NULL;
    Text said = {.arena = a};
    diags_print(&said, d);
    int result = p ? 1 : diags_errors(d) ? 0 : -1;
    if (p) {
        Graph *all[] = {p->init, p->prepare, p->train, p->eval, p->predict};
        for (int i = 0; i < COUNT_OF(all); i++) graph_verify(all[i], "elaborate");
    }
    arena_free(a);
    return result;
}

static void on_signal(int number) {
    static const char text[] = "fuzz_elaborate: a signal; repeat with: fuzz_elaborate 1 ";
    char digits[24];
    int n = 0;
    for (long x = current; x || !n; x /= 10) digits[n++] = (char)('0' + x % 10);
    if (write(2, text, sizeof text - 1) < 0) _exit(1);
    while (n && write(2, &digits[--n], 1) == 1) continue;
    _exit(write(2, "\n", 1) == 1 ? 1 : 2);
}

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : DEFAULT_COUNT, seed = argc > 2 ? atol(argv[2]) : 1;
    long programs = 0;
    add_folder("specs/*.net", corpus, &n_corpus, CORPUS_MAX);
    add_folder("examples/*.net", corpus, &n_corpus, CORPUS_MAX);
    add_folder("tests/golden/*.net", corpus, &n_corpus, CORPUS_MAX);
    add_folder("compiler/prelude/*.net", library, &n_library, COUNT_OF(library));
    if (!n_corpus || !n_library) {
        fprintf(stderr, "fuzz_elaborate: no corpus: run it in the root of the tree\n");
        return 2;
    }
    signal(SIGABRT, on_signal);
    signal(SIGSEGV, on_signal);
    signal(SIGPROF, on_signal);
    const struct itimerval limit = {.it_value.tv_sec = SECONDS};
    for (long i = 0; i < count; i++) {
        Random r = {(uint64_t)(current = seed + i)};
        setitimer(ITIMER_PROF, &limit, NULL); /* the processor's time: machines may be busy */
        int result = try(&r);
        programs += result > 0;
        if (result >= 0) continue;
        fprintf(stderr, "fuzz_elaborate: refused without an error; repeat with: "
                "fuzz_elaborate 1 %ld\n", current);
        return 1;
    }
    printf("fuzz_elaborate: %ld tries, %ld of them programs\n", count, programs);
    return 0;
}
