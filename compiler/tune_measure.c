/* tune_measure.c: candidates timed (tune_parts.h): a C program with the kernel of each and a clock,
 * compiled and run. Tensors hold random numbers, integers zeros, which are valid where data choose
 * an element. Candidates take turns; what counts is the least time of each.
 */
#include "tune_parts.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char before[] =
    "#define _POSIX_C_SOURCE 199309L\n"
    "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <time.h>\n"
    "#include \"netc_vector.h\"\n\n"
    "typedef struct netc_task {\n    const netc_call *call;\n    long at[8];\n} netc_task;\n\n"
    "void netc_pool_run(netc_pool *pool, void (*f)(void *, int), void *context, int tasks) {\n"
    "    for (int i = 0; i < tasks; i++) f(context, i);\n}\n"
    "static double now(void) {\n    struct timespec t;\n"
    "    clock_gettime(CLOCK_MONOTONIC, &t);\n"
    "    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;\n}\n"
    "static uint32_t bits = 1;\n"
    "static void fill(void *at, size_t n) {\n"
    "    for (size_t i = 0; i < n; i++)\n"
    "        ((float *)at)[i] = (float)((bits = bits * 1664525u + 1013904223u) >> 8) / 16777216;\n"
    "}\n"
    "static void *room(size_t n) {\n"
    "    void *at = aligned_alloc(64, (n + 8191) / 4096 * 4096);\n"
    "    if (!at) exit(1);\n    return memset(at, 0, n + 4096);\n}\n";

static const char after[] =
    "    double least[COUNT];\n    long calls[COUNT];\n"
    "    for (int i = 0; i < COUNT; i++) {\n"
    "        candidate[i](&call);\n        double t = now();\n        candidate[i](&call);\n"
    "        calls[i] = (long)(SLICE / (now() - t)) + 1;\n        least[i] = 1e30;\n    }\n"
    "    for (int round = 0; round < ROUNDS; round++)\n"
    "        for (int i = 0; i < COUNT; i++) {\n            double t = now();\n"
    "            for (long k = 0; k < calls[i]; k++) candidate[i](&call);\n"
    "            t = (now() - t) / (double)calls[i];\n"
    "            if (t < least[i]) least[i] = t;\n        }\n"
    "    for (int i = 0; i < COUNT; i++) printf(\"%.9g\\n\", least[i]);\n    return 0;\n}\n";

/* --- the program --- */

static bool calls(const Step *s, const Routine *r) {
    if (s->kind == STEP_CALL) return s->routine == r;
    for (int i = 0; i < s->steps.n; i++)
        if (calls(s->steps.at[i], r)) return true;
    return false;
}

/* The step without what does not call r. */
static Step *only(Arena *a, const Step *s, const Routine *r) {
    Step *t = NEW(a, Step);
    *t = *s;
    t->steps.at = NULL;
    t->steps.n = t->steps.cap = 0;
    for (int i = 0; i < s->steps.n; i++)
        if (calls(s->steps.at[i], r)) PUSH(a, t->steps, only(a, s->steps.at[i], r));
    return t;
}

static const Routine *routine_of(const LoopFunction *f, const Node *kernel) {
    for (int i = 0; i < f->routines.n; i++)
        if (!strcmp(f->routines.at[i]->name, kernel->name)) return f->routines.at[i];
    die("%s is no kernel", kernel->name);
}

static LoopFunction function_of(Arena *a, const Candidate *c, const Node *kernel, int number) {
    LoopFunction f = *c->function;
    f.name = arena_printf(a, "candidate%d", number);
    if (!kernel) return f;
    Routine *r = (Routine *)routine_of(c->function, kernel);
    f.routines.at = NULL;
    f.routines.n = f.routines.cap = 0;
    PUSH(a, f.routines, r);
    f.steps.at = NULL;
    f.steps.n = f.steps.cap = 0;
    for (int i = 0; i < c->function->steps.n; i++)
        if (calls(c->function->steps.at[i], r))
            PUSH(a, f.steps, only(a, c->function->steps.at[i], r));
    return f;
}

/* Memory for all candidates: what one of them finds random numbers in, others may have filled. */
static void print_memory(Text *t, const Compiled *x, const Candidate *c, int n) {
    size_t arena = 64;
    const LoopFunction *f = c[0].function;
    for (int i = 0; i < n; i++)
        if (c[i].function->arena_bytes > arena) arena = c[i].function->arena_bytes;
    text_add(t, "    netc_call call = {.state = room(%zu), .arena = room(%zu), .count = %ld, "
                ".seed = 1, .step = 1, .epoch = 1, .steps = 1, .epochs = 1, .steps_per_epoch = 1, "
                ".rate_scale = 1, .data_std = 1};\n", x->layouts->bytes, arena, f->graph->batch);
    text_add(t, "    fill(call.state, %zu);\n", x->layouts->bytes / 4);
    for (int i = 0; i < f->buffers.n; i++) {
        const Buffer *b = f->buffers.at[i];
        size_t size = (size_t)b->size * 2 * 4 + 4096;
        if (b->kind != BUFFER_CALL) continue;
        text_add(t, "    call.%s = room(%zu);\n", b->name, size);
        if (b->type == T_F32) text_add(t, "    fill((void *)call.%s, %zu);\n", b->name, size / 4);
    }
}

static void print_arena(Text *t, const Candidate *c, const Node *kernel) {
    if (!kernel) return;
    const Routine *r = routine_of(c->function, kernel);
    for (int i = 0; i < r->buffers.n; i++) {
        const Buffer *b = r->buffers.at[i];
        if (b->kind == BUFFER_ARENA && b->type == T_F32)
            text_add(t, "    fill((char *)call.arena + %zu, %ld);\n", b->offset, b->size);
    }
}

static void print_program(Text *t, Arena *a, const Compiled *x, const Candidate *c, int n,
                          const Node *kernel) {
    enum { ROUNDS = 12, ROUNDS_OF_STEP = 60 }; /* short slices: some of them are undisturbed */
    if (x->target->lanes > 1) text_add(t, "#define NETC_LANES %d\n", x->target->lanes);
    text_add(t, "enum { COUNT = %d, ROUNDS = %d };\n#define SLICE 0.002\n%s", n,
             kernel ? ROUNDS : ROUNDS_OF_STEP, before);
    for (int i = 0; i < n; i++) {
        LoopFunction f = function_of(a, &c[i], kernel, i);
        print_c_function(t, &f);
    }
    text_add(t, "\nstatic netc_function *const candidate[COUNT] = {");
    for (int i = 0; i < n; i++) text_add(t, "%scandidate%d", i ? ", " : "", i);
    text_add(t, "};\n\nint main(void) {\n");
    print_memory(t, x, c, n);
    print_arena(t, c, kernel);
    text_add(t, "%s", after);
}

/* --- running it --- */

static bool fail(Text *why, const char *what, const char *path) {
    text_add(why, "cannot %s %s: %s", what, path, strerror(errno));
    return false;
}

static bool write_text(const char *path, const Text *t) {
    FILE *f = fopen(path, "w");
    bool good = f && fwrite(t->at, 1, t->n, f) == t->n;
    if (f) good &= !fclose(f);
    return good;
}

/* Runs argv and waits; its standard output goes to `out` where that is not null. */
static int run(char *const *argv, const char *out) {
    pid_t pid = fork();
    if (pid < 0) return -1;
    if (!pid) {
        if (out && !freopen(out, "w", stdout)) _exit(126);
        execvp(argv[0], argv);
        _exit(127);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool compile_c(Arena *a, const TuneOptions *o, const Target *t, const char *c,
                      const char *program, Text *why) {
    char *argv[32], *word;
    int n = 0;
    for (char *at = arena_strdup(a, o->cc); n < 8 && (word = strtok_r(at, " ", &at));)
        argv[n++] = word;
    static const char *const flags[] = {"-std=gnu11", "-O3", "-ffp-contract=off",
                                        "-fno-math-errno", "-Wno-psabi", "-w"};
    for (int i = 0; i < COUNT_OF(flags); i++) argv[n++] = (char *)flags[i];
    for (char *at = arena_strdup(a, t->flags); n < 24 && (word = strtok_r(at, " ", &at));)
        argv[n++] = word;
    char *rest[] = {"-I", (char *)o->include, (char *)c, "-o", (char *)program, NULL};
    for (int i = 0; i < COUNT_OF(rest); i++) argv[n++] = rest[i];
    int status = run(argv, NULL);
    if (status == 0) return true;
    if (status == 127) text_add(why, "cannot run the C compiler %s (CC says which)", o->cc);
    else text_add(why, "%s could not compile the candidates", o->cc);
    return false;
}

static bool read_times(const char *path, Candidate *c, int n) {
    FILE *f = fopen(path, "r");
    bool good = f != NULL;
    for (int i = 0; i < n && good; i++)
        good = fscanf(f, "%lf", &c[i].measured) == 1 && c[i].measured > 0;
    if (f) fclose(f);
    return good;
}

bool tune_measure(Arena *a, const TuneOptions *o, const Compiled *x, Candidate *c, int n,
                  const Node *kernel, Text *why) {
    const char *parent = getenv("TMPDIR");
    char *folder = arena_printf(a, "%s/netc_tune_XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp(folder)) return fail(why, "make the folder", folder);
    char *text = arena_printf(a, "%s/t.c", folder), *program = arena_printf(a, "%s/t", folder);
    char *times = arena_printf(a, "%s/times", folder);
    Text t = {.arena = a};
    print_program(&t, a, x, c, n, kernel);
    bool good = write_text(text, &t) || fail(why, "write", text);
    good = good && compile_c(a, o, x->target, text, program, why);
    if (good && (run((char *[]){program, NULL}, times) || !read_times(times, c, n))) {
        text_add(why, "the candidates for %s could not be timed",
                 kernel ? kernel->name : "the training step");
        good = false;
    }
    remove(text);
    remove(program);
    remove(times);
    rmdir(folder);
    return good;
}
