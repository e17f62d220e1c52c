/* cost.c: how well the cost model ranks schedules: random kernels, random legal schedules of each
 * and the one that is chosen, predicted and measured. Prints for each kernel Spearman's rank
 * correlation of both, the time of the chosen schedule over that of the best, and the medians.
 *
 *     cost [--kernels N] [--schedules N] [--seed N] [--target NAME] [--cc CC] [--verbose]
 *          [--show N]         the schedules of kernel N too
 *          [--keep FILE]      measured times: read from it where it is there, else written to it
 *          [--folder DIR]     what is compiled stays there, and is not compiled again
 */
#include "choose.h"
#include "cost.h"
#include "lowered.h"
#include "nets.h"
#include "passes.h"
#include "random_schedule.h"
#include <time.h>

enum { MOST_SCHEDULES = 64, MOST_KERNELS = 500, LARGEST = 200 };

typedef struct Options {
    int kernels, schedules, show;
    uint64_t seed;
    const char *target, *cc, *keep, *folder;
    bool verbose, stays; /* stays: the folder does */
} Options;

typedef struct Candidate {
    double predicted, measured; /* seconds */
    LoopFunction *function;
    Layouts *layouts;
    char *text;
} Candidate;

typedef struct Kernel {
    const char *what;
    Candidate of[MOST_SCHEDULES]; /* the first is the chosen one */
} Kernel;

/* --- kernels --- */

static Random R;

static long any(long lo, long hi) { return random_int(&R, lo, hi); }

static Node *wide(const char *name, Node *x) { /* something elementwise of x */
    Node *o = like(name, x);
    Expr *e = same(o, x);
    o->body = any(0, 1) ? op1(OP_TANH, e) : e_select(P, op2(OP_LE, e, num(0)), num(0), e);
    return o;
}

static Node *product(void) {
    Node *z = dense(given("x", G->batch, any(8, 300)), "W", "b", any(8, 200));
    return any(0, 1) ? wide("act", z) : z;
}

/* Sums over what stands for samples; the layouts of stored tensors are the schedule's. */
static Node *gradient(void) {
    long n = G->batch;
    Node *x = param("x", n, any(8, 250)), *d = param("d", n, any(8, 150));
    Node *g = tensor("g", d->shape[1], x->shape[1]);
    Expr *m = over(g, "m", n);
    g->body = mul(at(d, m, var(g, 0)), at(x, m, var(g, 1)));
    return g;
}

static Node *convolution(void) {
    Window w = {any(1, 5), any(1, 2), any(0, 2), 1};
    long side = any(7, 14);
    Node *x = given("x", G->batch, any(1, 16), side, side);
    Node *K = param("K", any(2, 32), x->shape[1], w.k, w.k);
    Node *h = conv(x, K, param("bias", K->shape[0]), w);
    return any(0, 1) ? wide("act", h) : h;
}

static Node *filters(void) {
    long side = any(6, 14), k = any(1, 3);
    Node *x = param("x", G->batch, any(1, 12), side + k - 1, side + k - 1);
    Node *d = param("d", G->batch, any(2, 16), side, side);
    Node *g = tensor("g", d->shape[1], x->shape[1], k, k);
    Expr *m = over(g, "m", G->batch), *y = over(g, "y", side), *z = over(g, "z", side);
    g->body = mul(at(d, m, var(g, 0), y, z),
                  at(x, m, var(g, 1), add(y, var(g, 2)), add(z, var(g, 3))));
    return g;
}

static Node *pooling(void) {
    Window w = {any(2, 3), any(1, 3), 0, 1};
    long side = any(8, 20);
    Node *x = given("x", G->batch, any(4, 40), side, side);
    return pool(x, any(0, 1) ? REDUCE_MAX : REDUCE_SUM, w);
}

static Node *sums(void) {
    long side = any(4, 16);
    Node *x = param("x", G->batch, any(4, 40), side, side), *s = tensor("s", x->shape[1]);
    Expr *n = over(s, "n", G->batch), *y = over(s, "y", side), *z = over(s, "z", side);
    Expr *e = at(x, n, var(s, 0), y, z);
    s->body = any(0, 1) ? e : mul(e, e);
    return s;
}

static Node *rule(void) {
    Node *w = param("w", any(10, 300), any(10, 300));
    Node *m = param("m", w->shape[0], w->shape[1]), *g = given("g", w->shape[0], w->shape[1]);
    Node *o = tensor("o", w->shape[0], w->shape[1]);
    Expr *v = add(mul(num(0.9), same(o, m)), mul(num(0.1), same(o, g)));
    o->body = sub(same(o, w), op2(OP_DIV, v, add(op1(OP_SQRT, mul(v, v)), num(1e-8))));
    return o;
}

static Node *turned(void) {
    Node *x = given("x", G->batch, any(10, 100), any(10, 100));
    Node *o = samples("o", G->batch, x->shape[2], x->shape[1]);
    o->body = add(at(x, var(o, 0), var(o, 2), var(o, 1)), num(1));
    return o;
}

typedef struct Kind {
    const char *name;
    Node *(*make)(void);
} Kind;

static const Kind kinds[] = {
    {"product", product}, {"convolution", convolution}, {"gradient", gradient},
    {"filters", filters}, {"pooling", pooling},         {"sums", sums},
    {"product", product}, {"convolution", convolution}, {"rule", rule},
    {"turned", turned},
};

/* Equal numbers give equal kernels. */
static const Kind *make_kernel(uint64_t seed, int number) {
    R = (Random){seed + (uint64_t)number * 7919};
    const Kind *kind = &kinds[number % COUNT_OF(kinds)];
    nets_begin(any(2, 8) * 8);
    graph_output(G, "o0", kind->make());
    graph_sort(G);
    materialise(G);
    expand(G);
    order(G);
    return kind;
}

/* --- candidates --- */

static double function_size(const LoopFunction *f) {
    double n = 0;
    for (int i = 0; i < f->routines.n; i++) n += loop_text_size(&f->routines.at[i]->body);
    return n;
}

static void make_candidate(Candidate *c, const Options *o, int number, int which, uint64_t seed) {
    make_kernel(o->seed, number);
    const Target *t = target_find(o->target);
    Layouts *l = c->layouts = layouts_new(program);
    Schedule *s;
    if (which == 0) {
        choose_layouts(program, l);
        layouts_close(l);
        s = choose(G, t, l);
    } else {
        s = random_schedule(G, t, l, seed, 20 * G->nodes.n);
    }
    Text text = {.arena = arena};
    schedule_print(&text, s, l);
    LoopFunction *f = c->function = lower(s, l);
    sections(f);
    plan(f);
    c->text = text.at;
    KernelCost *cost = cost_of(arena, f);
    c->predicted = 0;
    for (int i = 0; i < f->routines.n; i++) c->predicted += cost[i].seconds;
    f->name = arena_printf(arena, "s%d", which);
    G->name = f->name;
}

static void make_candidates(Kernel *k, const Options *o, int number) {
    uint64_t seed = o->seed * 1000003 + (uint64_t)number * 1000;
    k->what = make_kernel(o->seed, number)->name;
    arena_free(arena);
    for (int i = 0; i < o->schedules; i++)
        for (int tries = 0; tries < 20; tries++) {
            make_candidate(&k->of[i], o, number, i, seed++);
            if (function_size(k->of[i].function) <= LARGEST) break;
        }
}

/* --- measuring --- */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The chosen schedule of a kernel, or all others: each has a file of its own. */
typedef enum Part { CHOSEN, OTHERS, N_PARTS } Part;

static Part part_of(int schedule) { return schedule == 0 ? CHOSEN : OTHERS; }

static const char *path_of(Arena *a, const Options *o, int number, Part part) {
    return arena_printf(a, "%s/k%d%s.c", o->folder, number, part == CHOSEN ? "chosen" : "");
}

static bool holds(const char *path, const Text *t) {
    FILE *f = fopen(path, "r");
    size_t n = 0;
    if (!f) return false;
    while (n < t->n && fgetc(f) == (unsigned char)t->at[n]) n++;
    bool same = n == t->n && fgetc(f) == EOF;
    fclose(f);
    return same;
}

static bool write_part(const Kernel *k, const Options *o, int number, Part part) {
    const Target *target = target_find(o->target);
    Arena *a = arena_new();
    Text t = {.arena = a};
    if (target->lanes > 1) text_add(&t, "#define NETC_LANES %d\n", target->lanes);
    text_add(&t, "#include \"netc_vector.h\"\n\nvoid netc_pool_run(netc_pool *pool, "
                 "void (*f)(void *, int), void *context, int tasks) {\n"
                 "    for (int i = 0; i < tasks; i++) f(context, i);\n}\n");
    for (int i = 0; i < o->schedules; i++) {
        const LoopFunction *f = k->of[i].function;
        Lowered c = {.arena = a, .function = (LoopFunction *)f, .name = f->name};
        if (part_of(i) == part) lowered_print(&t, &c);
    }
    const char *path = path_of(a, o, number, part);
    bool good = true;
    if (!holds(path, &t)) {
        FILE *f = fopen(path, "w");
        good = f && fwrite(t.at, 1, t.n, f) == t.n;
        if (f) good &= fclose(f) == 0;
    }
    arena_free(a);
    return good;
}

static bool write_kernel(const Kernel *k, const Options *o, int number) {
    return write_part(k, o, number, CHOSEN) && write_part(k, o, number, OTHERS);
}

/* Those whose text is newer. */
static bool compile_all(const Options *o) {
    char command[1024];
    snprintf(command, sizeof command,
             "cd %s && for i in k*.c; do [ $i.so -nt $i ] || echo $i; done | "
             "xargs -r -P 2 -I{} timeout 300 nice -n 3 %s -std=gnu11 -O3 -w "
             "-ffp-contract=off -fno-math-errno %s -fPIC -shared -Wl,-Bsymbolic "
             "-I$OLDPWD/runtime {} -o {}.so",
             o->folder, o->cc, target_find(o->target)->flags);
    return system(command) == 0;
}

static void *numbers(size_t bytes) {
    float *at = lowered_memory(bytes);
    Random r = {1};
    for (size_t i = 0; i < bytes / sizeof *at; i++) at[i] = (float)random_unit(&r);
    return at;
}

typedef struct Runs {
    LoweredRun *run;
    void *state, *arena, *at[64];
    int batch;
} Runs;

static Runs prepare(const Candidate *c, void *so) {
    const LoopFunction *f = c->function;
    Runs r = {.batch = (int)f->graph->batch};
    char name[32];
    snprintf(name, sizeof name, "%s_run", f->name);
    *(void **)&r.run = dlsym(so, name);
    r.state = numbers(c->layouts->bytes + 64);
    r.arena = numbers(f->arena_bytes + 64);
    for (int i = 0; i < f->buffers.n && i < COUNT_OF(r.at); i++)
        if (f->buffers.at[i]->kind == BUFFER_CALL)
            r.at[i] = numbers(4 * (size_t)f->buffers.at[i]->size * 2 + 4096);
    return r;
}

static double time_once(const Runs *r, long n) {
    double begun = now();
    for (long i = 0; i < n; i++)
        r->run(r->state, r->arena, NULL, r->batch, 1, (void **)r->at);
    return (now() - begun) / (double)n;
}

/* The least of many short rounds, in which each candidate takes its turn: ranks are then of times
 * that nothing else disturbed. */
static bool measure(Kernel *k, const Options *o, int number) {
    enum { ROUNDS = 15 };
    const double SLICE = 0.0005;
    void *so[N_PARTS];
    Arena *a = arena_new();
    for (Part part = 0; part < N_PARTS; part++) {
        const char *path = arena_printf(a, "%s.so", path_of(a, o, number, part));
        so[part] = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!so[part]) return false;
    }
    arena_free(a);
    Runs runs[MOST_SCHEDULES];
    long n[MOST_SCHEDULES];
    for (int i = 0; i < o->schedules; i++) {
        runs[i] = prepare(&k->of[i], so[part_of(i)]);
        double each = time_once(&runs[i], 1);
        each = time_once(&runs[i], 1);
        n[i] = (long)(SLICE / each) + 1;
        k->of[i].measured = 1e30;
    }
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < o->schedules; i++) {
            double t = time_once(&runs[i], n[i]);
            if (t < k->of[i].measured) k->of[i].measured = t;
        }
    for (Part part = 0; part < N_PARTS; part++) dlclose(so[part]);
    for (int i = 0; i < o->schedules; i++) {
        free(runs[i].state);
        free(runs[i].arena);
        for (int j = 0; j < COUNT_OF(runs[i].at); j++) free(runs[i].at[j]);
    }
    return true;
}

/* --- results --- */

static double rank_of(const Kernel *k, int n, int i, bool measured) {
    double rank = 0, x = measured ? k->of[i].measured : k->of[i].predicted;
    for (int j = 0; j < n; j++) {
        double y = measured ? k->of[j].measured : k->of[j].predicted;
        rank += y < x ? 1 : y == x ? 0.5 : 0;
    }
    return rank;
}

/* Spearman's: Pearson's of the ranks. */
static double correlation(const Kernel *k, int n) {
    double ab = 0, aa = 0, bb = 0, mean = n / 2.0;
    for (int i = 0; i < n; i++) {
        double a = rank_of(k, n, i, true) - mean, b = rank_of(k, n, i, false) - mean;
        ab += a * b, aa += a * a, bb += b * b;
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 1;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, ascending);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

static void report(const Kernel *kernel, const Options *o) {
    double rank[MOST_KERNELS], over[MOST_KERNELS];
    printf("%6s  %-12s %12s %12s %12s %9s %9s\n", "kernel", "", "correlation", "chosen us",
           "best us", "chosen/best", "predicted");
    for (int i = 0; i < o->kernels; i++) {
        const Kernel *k = &kernel[i];
        double best = 1e30;
        for (int j = 0; j < o->schedules; j++)
            if (k->of[j].measured < best) best = k->of[j].measured;
        rank[i] = correlation(k, o->schedules);
        over[i] = k->of[0].measured / best;
        printf("%6d  %-12s %12.3f %12.2f %12.2f %11.3f %9.2f\n", i, k->what, rank[i],
               k->of[0].measured * 1e6, best * 1e6, over[i], k->of[0].predicted * 1e6);
        for (int j = 0; j < o->schedules && (o->verbose || o->show == i); j++)
            printf("    schedule %d: measured %.2f us, predicted %.2f (%.2f)\n%s", j,
                   k->of[j].measured * 1e6, k->of[j].predicted * 1e6,
                   k->of[j].predicted / k->of[j].measured, o->show == i ? k->of[j].text : "");
    }
    printf("median over %d kernels, %d schedules of each: rank correlation %.3f, "
           "chosen / best %.3f\n", o->kernels, o->schedules, median(rank, o->kernels),
           median(over, o->kernels));
}

static bool read_kept(Kernel *kernel, const Options *o) {
    FILE *f = o->keep ? fopen(o->keep, "r") : NULL;
    for (int i = 0; f && i < o->kernels; i++)
        for (int j = 0; j < o->schedules; j++)
            if (fscanf(f, "%lf", &kernel[i].of[j].measured) != 1) return fclose(f), false;
    return f && !fclose(f);
}

static bool write_kept(const Kernel *kernel, const Options *o) {
    FILE *f = o->keep ? fopen(o->keep, "w") : NULL;
    for (int i = 0; f && i < o->kernels; i++)
        for (int j = 0; j < o->schedules; j++) fprintf(f, "%.9g\n", kernel[i].of[j].measured);
    return !o->keep || (f && !fclose(f));
}

static Options parse(int argc, char **argv) {
    Options o = {.kernels = 50, .schedules = 20, .show = -1, .seed = 1, .target = "native",
                 .cc = "gcc"};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(name, "--verbose")) {
            o.verbose = true;
            continue;
        }
        if (!strcmp(name, "--kernels")) o.kernels = atoi(value);
        else if (!strcmp(name, "--schedules")) o.schedules = atoi(value);
        else if (!strcmp(name, "--seed")) o.seed = (uint64_t)atol(value);
        else if (!strcmp(name, "--target")) o.target = value;
        else if (!strcmp(name, "--show")) o.show = atoi(value);
        else if (!strcmp(name, "--cc")) o.cc = value;
        else if (!strcmp(name, "--keep")) o.keep = value;
        else if (!strcmp(name, "--folder")) o.folder = value, o.stays = true;
        else o.kernels = 0;
        i++;
    }
    bool good = o.kernels > 0 && o.kernels <= MOST_KERNELS && o.schedules > 1 &&
                o.schedules <= MOST_SCHEDULES && target_find(o.target);
    if (good) return o;
    fprintf(stderr, "usage: cost [--kernels N] [--schedules N] [--seed N] [--target NAME] "
                    "[--cc CC] [--show N] [--keep FILE] [--folder DIR] [--verbose]\n");
    exit(2);
}

int main(int argc, char **argv) {
    Options o = parse(argc, argv);
    char folder[] = "/tmp/netc_cost_XXXXXX";
    Kernel *kernel = calloc((size_t)o.kernels, sizeof *kernel);
    if (!o.stays) o.folder = mkdtemp(folder);
    if (!kernel || !o.folder) return perror("cost"), 1;
    bool kept = read_kept(kernel, &o), good = true;
    for (int i = 0; i < o.kernels; i++) {
        make_candidates(&kernel[i], &o, i);
        if (!kept) good &= write_kernel(&kernel[i], &o, i);
    }
    if (!kept) good = good && compile_all(&o);
    for (int i = 0; i < o.kernels && !kept && good; i++) good &= measure(&kernel[i], &o, i);
    if (!kept && good) good = write_kept(kernel, &o);
    if (good) report(kernel, &o);
    else fprintf(stderr, "cost: not all could be compiled or kept; see %s\n", o.folder);
    if (good && !o.stays) {
        char command[64];
        snprintf(command, sizeof command, "rm -r %s", folder);
        good = system(command) == 0;
    }
    free(kernel);
    return !good;
}
