/* main.c: the command `netc`. */
#include "compile.h"
#include "elaborate.h"
#include "jit.h"
#include "schedule.h"
#include "tune.h"
#include "watch.h"
#include "tree.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "usage: netc [options] SPEC.net\n"
    "       netc --jit [options] SPEC.net [train|eval|predict|bench|summary] [its options]\n"
    "       netc study [options] SPEC.net...    train and compare (netc study --help)\n"
    "\n"
    "  -o DIR            write DIR/NET.c and DIR/NET.h (default: .)\n"
    "  -D NAME=VALUE     set a constant of the spec\n"
    "  --target NAME     native (default), x86-64-v3, x86-64-v4, generic\n"
    "  --jit             run the network's program at once, without a C compiler; default: train\n"
    "  --watch           with --jit: again from the start whenever the spec changes\n"
    "  --keep            with --watch: from the weights before, where names and shapes fit\n"
    "  --perf            with --jit: name the compiled functions for perf, in /tmp/perf-PID.map\n"
    "  --check           only say what is wrong with the spec\n"
    "  --summary         print the layers, and what memory and work they take\n"
    "  --dump=STAGE      print a stage: tree, network (for graphviz), graph, views, prepared,\n"
    "                    increasing, guards, values, differentiate, solve, views-again,\n"
    "                    guards-again, factors, select, algebra, common, steps, folds,\n"
    "                    merge, materialise, expand, order, schedule, loops, llvm, asm\n"
    "  --without=STAGE   leave out a rewrite: views, prepared, increasing, guards, values,\n"
    "                    views-again, guards-again, factors, select, algebra, common, steps,\n"
    "                    folds, merge\n"
    "  --schedule=FILE   take the schedule from a file instead of choosing one\n"
    "  --measured=FILE   with --dump=schedule: measured times beside the predicted ones, from\n"
    "                    what bench --profile --json printed\n"
    "  --tune            measure other schedules of the training step, and write DIR/NET.sched\n"
    "                    where one is faster\n"
    "  --minutes M       with --tune: for about so long (default: 5)\n"
    "  --profile         write a program whose command bench can tell the time of each kernel\n"
    "  --help, --version\n";

typedef struct Options {
    const char *spec, *out, *target, *dump, *schedule, *without, *measured;
    bool check, summary, profile, jit, watch, keep, perf, tune;
    double minutes;
    const char **defines;
    int n_defines;
    char **rest; /* what is the network's program's, from its command on */
    int n_rest;
    int round; /* --watch: from 1 */
} Options;

static _Noreturn void bad_usage(const char *format, const char *what) {
    fprintf(stderr, "netc: ");
    fprintf(stderr, format, what);
    fprintf(stderr, "\n\n%s", usage);
    exit(2);
}

/* The value of an option: behind `=`, or the next word. */
static const char *value_of(const char *name, int argc, char **argv, int *i) {
    const char *equals = strchr(argv[*i], '=');
    if (argv[*i][1] == '-' && equals) return equals + 1;
    if (argv[*i][1] != '-' && argv[*i][2]) return argv[*i] + 2;
    if (*i + 1 >= argc) bad_usage("the option %s needs a value", name);
    return argv[++*i];
}

static bool is_option(const char *arg, const char *name) {
    size_t n = strlen(name);
    return !strncmp(arg, name, n) && (arg[n] == 0 || arg[n] == '=');
}

static void parse_option(Options *o, int argc, char **argv, int *i) {
    const char *arg = argv[*i];
    if (!strcmp(arg, "--help")) {
        fputs(usage, stdout);
        exit(0);
    } else if (!strcmp(arg, "--version")) {
        puts("netc " NETC_VERSION);
        exit(0);
    } else if (!strcmp(arg, "--check")) {
        o->check = true;
    } else if (!strcmp(arg, "--jit")) {
        o->jit = true;
    } else if (!strcmp(arg, "--watch")) {
        o->watch = true;
    } else if (!strcmp(arg, "--keep")) {
        o->keep = true;
    } else if (!strcmp(arg, "--perf")) {
        o->perf = true;
    } else if (!strcmp(arg, "--summary")) {
        o->summary = true;
    } else if (!strcmp(arg, "--profile")) {
        o->profile = true;
    } else if (!strncmp(arg, "-o", 2)) {
        o->out = value_of("-o", argc, argv, i);
    } else if (!strncmp(arg, "-D", 2)) {
        o->defines[o->n_defines++] = value_of("-D", argc, argv, i);
    } else if (is_option(arg, "--target")) {
        o->target = value_of("--target", argc, argv, i);
    } else if (is_option(arg, "--dump")) {
        o->dump = value_of("--dump", argc, argv, i);
    } else if (is_option(arg, "--without")) {
        o->without = value_of("--without", argc, argv, i);
        if (!is_rewrite(o->without)) bad_usage("%s is no rewrite", o->without);
    } else if (!strcmp(arg, "--tune")) {
        o->tune = true;
    } else if (is_option(arg, "--minutes")) {
        char *end;
        const char *value = value_of("--minutes", argc, argv, i);
        o->minutes = strtod(value, &end);
        if (*end || !(o->minutes > 0)) bad_usage("%s is no number of minutes", value);
    } else if (is_option(arg, "--measured")) {
        o->measured = value_of("--measured", argc, argv, i);
    } else if (is_option(arg, "--schedule")) {
        o->schedule = value_of("--schedule", argc, argv, i);
    } else {
        bad_usage("unknown option %s", arg);
    }
}

static void take_rest(Options *o, int argc, char **argv, int *i) {
    o->rest = argv + *i;
    o->n_rest = argc - *i;
    *i = argc;
}

static Options parse_options(int argc, char **argv) {
    Options o = {.out = ".", .target = "native"};
    o.defines = calloc((size_t)argc, sizeof *o.defines);
    if (!o.defines) bad_usage("%s", "out of memory");
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1]) parse_option(&o, argc, argv, &i);
        else if (o.spec && o.jit) take_rest(&o, argc, argv, &i);
        else if (o.spec) bad_usage("one spec at a time: what is %s?", argv[i]);
        else o.spec = argv[i];
    }
    if (!o.spec) bad_usage("%s", "which spec?");
    if ((o.watch || o.perf) && !o.jit) bad_usage("%s is for --jit", o.watch ? "--watch" : "--perf");
    if (o.keep && !o.watch) bad_usage("%s is for --watch", "--keep");
    if (o.minutes && !o.tune) bad_usage("%s is for --tune", "--minutes");
    if (o.measured && (!o.dump || strcmp(o.dump, "schedule")))
        bad_usage("%s is for --dump=schedule", "--measured");
    if (!target_find(o.target)) bad_usage("unknown target %s", o.target);
    bool known = !o.dump;
    for (int i = 0; i < n_dump_names && !known; i++) known = !strcmp(o.dump, dump_names[i]);
    if (!known) bad_usage("unknown stage %s", o.dump);
    return o;
}

typedef struct Reading {
    Arena *arena;
    VEC(const char *) path; /* that were to be read */
} Reading;

/* The context is a Reading, or null. */
static const char *read_file(void *context, Arena *a, const char *path, size_t *n) {
    enum { LARGEST = 16 << 20 };
    Reading *r = context;
    if (r) PUSH(r->arena, r->path, arena_strdup(r->arena, path));
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    struct stat st;
    if (fstat(fileno(f), &st) || !S_ISREG(st.st_mode) || st.st_size > LARGEST) {
        if (st.st_size > LARGEST) errno = EFBIG;
        else if (S_ISDIR(st.st_mode)) errno = EISDIR;
        fclose(f);
        return NULL;
    }
    char *text = arena_alloc(a, (size_t)st.st_size + 1);
    *n = fread(text, 1, (size_t)st.st_size, f);
    bool whole = *n == (size_t)st.st_size;
    fclose(f);
    return whole ? text : NULL;
}

static int stop(const char *what, const char *path) {
    fprintf(stderr, "netc: cannot %s %s: %s\n", what, path, strerror(errno));
    return 1;
}

/* A whole file or none: beside it first, then in its place. */
static int write_file(Arena *a, const char *path, const Text *t) {
    const char *beside = arena_printf(a, "%s.%ld.tmp", path, (long)getpid());
    FILE *f = fopen(beside, "w");
    if (!f) return stop("write", beside);
    bool good = fwrite(t->at, 1, t->n, f) == t->n;
    good &= !fclose(f);
    if (good && !rename(beside, path)) return 0;
    int status = stop("write", path);
    remove(beside);
    return status;
}

static int write_program(Arena *a, const Options *o, const Program *p, const Compiled *x) {
    Text c = {.arena = a}, h = {.arena = a};
    print_c(&c, &h, x);
    if (mkdir(o->out, 0777) && errno != EEXIST) return stop("make the folder", o->out);
    const char *stem = arena_printf(a, "%s/%s", o->out, p->name);
    int status = write_file(a, arena_printf(a, "%s.h", stem), &h);
    return status ? status : write_file(a, arena_printf(a, "%s.c", stem), &c);
}

static void print_summary(const Program *p, const Compiled *x) {
    long total = 0;
    Costs costs = compiled_costs(x);
    printf("%-16s %-44s %14s %10s\n", "layer", "is", "output", "parameters");
    for (int i = 0; i < p->n_layers; i++) {
        const struct LayerRow *r = &p->layer[i];
        char shape[128] = "";
        size_t n = 0;
        for (int j = 0; j < r->rank && n < sizeof shape - 24; j++)
            n += (size_t)snprintf(shape + n, sizeof shape - n, "%s%ld", j ? "x" : "", r->shape[j]);
        printf("%-16s %-44s %14s %10ld\n", r->name, r->text, shape, r->parameters);
        total += r->parameters;
    }
    printf("%-16s %-44s %14s %10ld\n", "total", "", "", total);
    printf("memory: %zu bytes of state, %zu of working memory\n", costs.state_bytes,
           costs.arena_bytes);
    printf("useful work a sample: %.3f MFLOP in training, %.3f in prediction\n",
           costs.train_flops * 1e-6, costs.predict_flops * 1e-6);
}

/* --- the program in memory --- */

/* Where the program saves: what --save says, or the default. */
static const char *saved_to(Arena *a, const Options *o, const Program *p) {
    for (int i = 0; i < o->n_rest; i++) {
        if (!strncmp(o->rest[i], "--save=", 7)) return o->rest[i] + 7;
        if (!strcmp(o->rest[i], "--save") && i + 1 < o->n_rest) return o->rest[i + 1];
    }
    return arena_printf(a, "%s.safetensors", p->name);
}

/* Runs the program as if it had been compiled to a file; its name is how to call it again. */
static int run_program(Arena *a, const Options *o, const Program *p, const Compiled *x) {
    Text name = {.arena = a};
    text_add(&name, "netc --jit");
    for (int i = 0; i < o->n_defines; i++) text_add(&name, " -D %s", o->defines[i]);
    text_add(&name, " %s", o->spec);
    char **argv = NEW_ARRAY(a, char *, o->n_rest + 5);
    int argc = 0;
    argv[argc++] = name.at;
    if (!o->n_rest) argv[argc++] = arena_strdup(a, "train");
    for (int i = 0; i < o->n_rest; i++) argv[argc++] = o->rest[i];
    const char *saved = saved_to(a, o, p);
    if (o->keep && o->round > 1 && !access(saved, R_OK)) {
        argv[argc++] = arena_strdup(a, "--start");
        argv[argc++] = arena_strdup(a, saved);
    }
    return jit_main(x, o->perf, argc, argv);
}

static bool is_code(const char *stage) {
    return stage && (!strcmp(stage, "llvm") || !strcmp(stage, "asm"));
}

static int finish(Arena *a, const Options *o, Diags *d, Program *p) {
    CompileOptions options = {.target = o->target, .dump = o->dump, .schedule_name = o->schedule,
                              .profile = o->profile};
    Text dumped = {.arena = a};
    options.dumped = &dumped;
    options.without = o->without;
    size_t n;
    if (o->schedule) {
        options.schedule_text = read_file(NULL, a, o->schedule, &n);
        if (!options.schedule_text) return stop("read", o->schedule);
    }
    if (o->measured) {
        options.measured = read_file(NULL, a, o->measured, &n);
        if (!options.measured) return stop("read", o->measured);
        if (!strstr(options.measured, "\"kernel\": ")) {
            fprintf(stderr, "netc: %s has no kernel's time: have it written by a program from netc "
                            "--profile,\n    NAME bench --profile --json > %s\n", o->measured,
                    o->measured);
            return 1;
        }
    }
    if (o->dump && !strcmp(o->dump, "network")) {
        network_print(&dumped, p);
        fputs(dumped.at, stdout);
        return 0;
    }
    if (o->check) return 0;
    Compiled *x = compile(p, &options, d);
    if (x && is_code(o->dump)) jit_dump(&dumped, x, o->dump);
    if (o->summary && x) print_summary(p, x);
    if (o->dump && dumped.at) fputs(dumped.at, stdout);
    if (!x) return 1;
    if (o->dump || o->summary) return 0;
    if (o->tune) return tune_command(x, o->out, o->minutes ? o->minutes : 5);
    return o->jit ? run_program(a, o, p, x) : write_program(a, o, p, x);
}

static int run(Arena *a, const Options *o) {
    size_t n;
    const char *text = read_file(NULL, a, o->spec, &n);
    if (!text) return stop("read", o->spec);
    Diags *d = diags_new(a);
    File *file = parse_bytes(a, d, o->spec, text, n);
    int status = 1;
    if (file && o->dump && !strcmp(o->dump, "tree") && !diags_errors(d)) {
        Text t = {.arena = a};
        tree_print(&t, file);
        fputs(t.at ? t.at : "", stdout);
        status = 0;
    } else if (file) {
        ElabOptions options = {o->defines, o->n_defines, read_file, NULL};
        Program *p = elaborate(a, d, file, &options);
        if (p && !diags_errors(d)) status = finish(a, o, d, p);
    }
    diags_write(stderr, d);
    return status;
}

static int run_once(const Options *o) {
    Arena *a = arena_new();
    int status = run(a, o);
    arena_free(a);
    return status;
}

static int run_round(void *context, int round) {
    Options o = *(const Options *)context;
    o.round = round;
    return run_once(&o);
}

/* The spec and what it imports, as far as it can be understood. */
static int files_of(void *context, Arena *a, const char *const **path) {
    const Options *o = context;
    Reading r = {.arena = a};
    size_t n;
    const char *text = read_file(&r, a, o->spec, &n);
    Diags *d = diags_new(a);
    File *file = text ? parse_bytes(a, d, o->spec, text, n) : NULL;
    ElabOptions options = {o->defines, o->n_defines, read_file, &r};
    if (file) elaborate(a, d, file, &options);
    *path = r.path.at;
    return r.path.n;
}

/* What needs more than a compiler does is a program of its own beside this one, its
 * name this one's and a suffix. Returns only where that cannot be run. */
static int run_beside(const char *suffix, char **argv) {
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 16);
    if (n < 0) return stop("read", "/proc/self/exe");
    strcpy(path + n, suffix);
    execv(path, argv);
    int status = stop("run", path);
    if (!strcmp(suffix, "-jit"))
        fputs("--jit, and --dump=llvm and asm, need LLVM 19 when netc is built: install it\n"
              "(`make deps JIT=1`, or the package llvm-19-dev) and `make` again.\n", stderr);
    return status;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "study")) return run_beside("-study", argv + 1);
    signal(SIGXFSZ, SIG_IGN); /* writing then fails, and that is told */
    Options o = parse_options(argc, argv);
    if ((o.jit || is_code(o.dump)) && !jit_here) return run_beside("-jit", argv);
    int status = o.watch ? watch(&(Watched){run_round, files_of, &o}) : run_once(&o);
    free(o.defines);
    if (fflush(stdout) || ferror(stdout)) status = stop("write", "standard output");
    return status;
}
