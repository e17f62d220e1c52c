/* tune.c: the search (tune_parts.h).
 *
 * Kernels one by one, those with the longest predicted time first: the neighbors of the kernel's
 * schedule that are predicted to be fast are timed beside it, the fastest takes its place, and so
 * on until none is faster. At the end the whole step is timed with the first schedule and the
 * last: a gain of the parts that is none of the whole is thrown away.
 */
#include "tune_parts.h"
#include "cost.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { AT_ONCE = 8, ROUNDS = 4 };
static const double worth = 0.97; /* of the time before: less is noise */

typedef struct Tune {
    const TuneOptions *o;
    const Compiled *x;
    Text *why;
    Schedule *best;
    double begun;
    int measured, changed;
} Tune;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool has_time(const Tune *t) { return now() - t->begun < 60 * t->o->minutes; }

static void say(const Tune *t, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(const Tune *t, const char *format, ...) {
    va_list args;
    if (!t->o->progress) return;
    va_start(args, format);
    vfprintf(t->o->progress, format, args);
    va_end(args);
    fflush(t->o->progress);
}

/* --- one kernel --- */

/* The first AT_ONCE, the schedule as it is at their head. */
static int most_promising(Candidates *all, uint64_t own) {
    int n = all->n < AT_ONCE ? all->n : AT_ONCE;
    for (int i = 0; i < all->n; i++) {
        if (all->at[i].hash != own) continue;
        Candidate keep = all->at[i];
        for (int j = i; j > 0; j--) all->at[j] = all->at[j - 1];
        all->at[0] = keep;
        break;
    }
    return n;
}

/* One round; false: nothing to measure with. *better: a faster schedule was found. */
static bool improve(Tune *t, const Node *kernel, bool *better) {
    Arena *a = arena_new();
    Candidates all = {0};
    const Layouts *l = t->x->layouts;
    uint64_t own = candidate_of(a, t->best, l, kernel).hash;
    tune_neighbors(a, t->best, l, kernel, &all);
    int n = most_promising(&all, own), best = 0;
    *better = false;
    bool good = n < 2 || tune_measure(a, t->o, t->x, all.at, n, kernel, t->why);
    for (int i = 1; i < n && good; i++)
        if (all.at[i].measured < all.at[best].measured) best = i;
    if (good && n > 1) {
        double gain = all.at[best].measured / all.at[0].measured;
        t->measured += n;
        *better = gain < worth;
        if (*better) t->best = all.at[best].schedule;
        say(t, "  %-32s %9.2f us, best of %d: %9.2f us%s\n", kernel->name,
            all.at[0].measured * 1e6, n, all.at[best].measured * 1e6, *better ? ", taken" : "");
    }
    t->changed += *better;
    arena_free(a);
    return good;
}

/* --- all kernels --- */

typedef struct Part {
    const Node *kernel;
    double seconds;
} Part;

static int longest_first(const void *a, const void *b) {
    double x = ((const Part *)a)->seconds, y = ((const Part *)b)->seconds;
    return (x < y) - (x > y);
}

static int parts_of(Arena *a, const Compiled *x, Part **to) {
    const LoopFunction *f = x->function[FUNCTION_TRAIN];
    const Schedule *s = x->schedule[FUNCTION_TRAIN];
    KernelCost *cost = cost_of(a, f);
    Part *part = *to = NEW_ARRAY(a, Part, f->routines.n + 1);
    int n = 0;
    for (int i = 0; i < f->routines.n; i++)
        for (int k = 0; k < s->graph->nodes.n; k++)
            if (s->of[k]->place == PLACE_KERNEL && s->of[k]->node->kind == NODE_COMP &&
                !strcmp(s->of[k]->node->name, f->routines.at[i]->name))
                part[n++] = (Part){s->of[k]->node, cost[i].seconds};
    qsort(part, (size_t)n, sizeof *part, longest_first);
    return n;
}

/* What is worth a look: all but the short ones, which make a fiftieth of the time together. */
static int without_short(const Part *part, int n) {
    double all = 0, sum = 0;
    for (int i = 0; i < n; i++) all += part[i].seconds;
    for (int i = 0; i < n; i++) {
        if (sum > 0.98 * all) return i;
        sum += part[i].seconds;
    }
    return n;
}

static const char *machine_name(Arena *a) {
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    const char *name = "unknown";
    while (f && fgets(line, sizeof line, f)) {
        char *at = strncmp(line, "model name", 10) ? NULL : strchr(line, ':');
        if (!at) continue;
        at[strcspn(at, "\n")] = 0;
        name = arena_strdup(a, at + 2);
        break;
    }
    if (f) fclose(f);
    return name;
}

static bool compare(Tune *t, Arena *a, double *first, double *last) {
    const Layouts *l = t->x->layouts;
    Candidate both[2] = {candidate_of(a, t->x->schedule[FUNCTION_TRAIN], l, NULL),
                         candidate_of(a, t->best, l, NULL)};
    if (!tune_measure(a, t->o, t->x, both, 2, NULL, t->why)) return false;
    *first = both[0].measured;
    *last = both[1].measured;
    return true;
}

bool tune(Text *to, const Compiled *x, const TuneOptions *o, Text *why) {
    Arena *a = arena_new();
    Tune t = {.o = o, .x = x, .why = why, .best = x->schedule[FUNCTION_TRAIN], .begun = now()};
    Part *part;
    int n = parts_of(a, x, &part);
    bool good = true;
    n = without_short(part, n);
    for (int i = 0; i < n && good && has_time(&t); i++) {
        bool better = true;
        for (int round = 0; round < ROUNDS && better && good && has_time(&t); round++)
            good = improve(&t, part[i].kernel, &better);
    }
    double first = 1, last = 1;
    if (good && t.changed) good = compare(&t, a, &first, &last);
    if (good && t.changed)
        say(&t, "the step: %.2f us, was %.2f us\n", last * 1e6, first * 1e6);
    if (good && last < 0.99 * first) {
        text_add(to, "# %s, tuned for %s with %s on %s:\n# a step takes %.3f of the time that it "
                     "takes by the default schedule (%d candidates measured).\n",
                 x->program->name, x->target->name, o->cc, machine_name(a), last / first,
                 t.measured);
        schedule_print(to, t.best, x->layouts);
    }
    arena_free(a);
    return good;
}
