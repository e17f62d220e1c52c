/* cost_print.c: what kernels cost, as comments that may follow the text of a schedule, beside what
 * `bench --profile --json` has measured (cost.h).
 */
#include "cost.h"
#include "schedule_text.h"
#include <stdlib.h>
#include <string.h>

typedef struct Measured {
    double ms, percent; /* of a step; of the peak measured with it. ms < 0: not known */
} Measured;

static bool number_after(const char *line, const char *end, const char *key, double *x) {
    size_t n = strlen(key);
    for (const char *at = line; at + n < end; at++) {
        if (strncmp(at, key, n)) continue;
        char *stop;
        *x = strtod(at + n, &stop);
        return stop > at + n;
    }
    return false;
}

/* The line of the kernel, in what the runtime's profile.c prints. */
static Measured measured_of(Arena *a, const char *text, const char *function, const char *kernel) {
    const char *begin = arena_printf(a, "{\"function\": \"%s\", \"kernel\": \"%s\",", function,
                                     kernel);
    const char *line = text ? strstr(text, begin) : NULL;
    Measured m = {.ms = -1};
    if (!line) return m;
    const char *end = strchr(line, '\n');
    if (!end) end = line + strlen(line);
    if (!number_after(line, end, "\"ms\": ", &m.ms)) m.ms = -1;
    number_after(line, end, "\"peak_percent\": ", &m.percent);
    return m;
}

static const NodeSchedule *kernel_of(const Schedule *s, const Routine *r) {
    for (int i = 0; i < s->graph->nodes.n; i++)
        if (s->of[i]->place == PLACE_KERNEL && !strcmp(s->of[i]->node->name, r->name))
            return s->of[i];
    return NULL;
}

static void print_measured(Text *t, const LoopFunction *f, Measured m) {
    const Program *p = f->graph->program;
    double steps = f->graph == p->train ? (double)p->train->batch / (double)p->training.batch : 1;
    if (m.ms >= 0) text_add(t, " %9.2f %6.1f", m.ms * 1e3 * steps, m.percent);
    else text_add(t, " %9s %6s", "-", "-");
}

static void print_kernel(Text *t, const Schedule *s, const LoopFunction *f, const Routine *r,
                         const KernelCost *k, const char *measured) {
    const Machine *m = machine_of(f->target);
    const NodeSchedule *ns = kernel_of(s, r);
    int width = f->target->lanes < m->width ? f->target->lanes : m->width;
    double peak = 2 * m->fma * width * m->hertz;
    text_add(t, "#%-28.28s %9.3f %9.3f %9.1f %9.2f %6.1f", r->name, r->flops * 1e-6,
             k->executed * 1e-6, k->bytes * 1e-3, k->seconds * 1e6,
             k->seconds > 0 ? 100 * r->flops / k->seconds / peak : 0);
    if (measured) print_measured(t, f, measured_of(t->arena, measured, f->name, r->name));
    text_add(t, "  %s, layout", *k->tile ? k->tile : "one element");
    if (ns) schedule_print_layout(t, &ns->layout, ns->node->shape);
    text_add(t, "\n");
}

void cost_print(Text *t, const Schedule *s, const LoopFunction *f, const char *measured) {
    Arena *a = arena_new();
    const KernelCost *cost = cost_of(a, f);
    double seconds = 0, flops = 0;
    text_add(t, "#\n# What each kernel costs in a call, on one thread: useful and executed MFLOP, "
                "KB that it\n# touches, predicted microseconds and percent of the peak%s; what its "
                "hottest statement\n# keeps in registers; storage order of the result.\n#\n",
             measured ? ", the same measured" : "");
    text_add(t, "#%-28s %9s %9s %9s %9s %6s%s\n", "kernel", "useful", "executed", "KB", "us", "%",
             measured ? "  measured      %" : "");
    for (int i = 0; i < f->routines.n; i++) {
        print_kernel(t, s, f, f->routines.at[i], &cost[i], measured);
        seconds += cost[i].seconds;
        flops += f->routines.at[i]->flops;
    }
    text_add(t, "#%-28s %9.3f %29.2f\n", "all", flops * 1e-6, seconds * 1e6);
    arena_free(a);
}
