/* sections.c: steps that do not depend on each other run together, as one parallel region.
 *
 * Requires: steps in an order that is right. Establishes: the same with fewer regions, and with
 * less that only one thread does. A kernel of one task beside a parallel loop costs next to
 * nothing; alone, the other threads wait for it. A step goes to the last region before it that it
 * may move up to; one that may move down to the region that comes goes there.
 *
 * Two steps depend on each other where one writes a buffer that the other uses. Buffers have no
 * places yet, so equal memory never means the same place by chance.
 */
#include "loop.h"

static bool is_among(Buffer *const *list, int n, const Buffer *b) {
    for (int i = 0; i < n; i++)
        if (list[i] == b) return true;
    return false;
}

static bool writes_what_is_used(const Routine *a, const Routine *b) {
    for (int i = 0; i < a->written.n; i++)
        if (is_among(b->buffers.at, b->buffers.n, a->written.at[i])) return true;
    return false;
}

static bool routine_meets(const Routine *a, const Step *s) {
    if (s->kind == STEP_CALL)
        return writes_what_is_used(a, s->routine) || writes_what_is_used(s->routine, a);
    for (int i = 0; i < s->steps.n; i++)
        if (routine_meets(a, s->steps.at[i])) return true;
    return false;
}

static bool depend(const Step *a, const Step *b) {
    if (a->kind == STEP_CALL) return routine_meets(a->routine, b);
    for (int i = 0; i < a->steps.n; i++)
        if (depend(a->steps.at[i], b)) return true;
    return false;
}

static bool is_region(const Step *s) {
    return s->kind == STEP_PARALLEL || s->kind == STEP_TOGETHER;
}

/* A region within a region would have no threads. */
static bool has_region(const Step *s) {
    for (int i = 0; i < s->steps.n; i++)
        if (is_region(s->steps.at[i]) || has_region(s->steps.at[i])) return true;
    return false;
}

/* Puts s into the region at steps[at]. */
static void join(Arena *a, Step **at, Step *s) {
    if ((*at)->kind != STEP_TOGETHER) {
        Step *together = NEW(a, Step);
        together->kind = STEP_TOGETHER;
        PUSH(a, together->steps, *at);
        *at = together;
    }
    PUSH(a, (*at)->steps, s);
}

/* The last region that s may move up to, or -1. */
static int region_above(Step *const *step, int n, const Step *s) {
    if (has_region(s)) return -1;
    for (int i = n - 1; i >= 0 && !depend(step[i], s); i--)
        if (is_region(step[i])) return i;
    return -1;
}

/* Steps before the region at the end that may move down to it do. */
static int move_down(Arena *a, Step **step, int n) {
    Step **region = &step[n - 1];
    for (int i = n - 2; i >= 0 && !is_region(step[i]); i--) {
        bool free = !has_region(step[i]);
        for (int j = i + 1; j < n && free; j++) free = !depend(step[i], step[j]);
        if (!free) continue;
        join(a, region, step[i]);
        for (int j = i; j < n - 1; j++) step[j] = step[j + 1];
        region--;
        n--;
    }
    return n;
}

/* --- the longest tasks first: what is left at the end should be short --- */

static double work_of(const Step *s) {
    double work = s->kind == STEP_CALL ? s->routine->work : 0;
    for (int i = 0; i < s->steps.n; i++) work += work_of(s->steps.at[i]);
    return work;
}

static double work_of_task(const Step *s) {
    return s->kind == STEP_PARALLEL ? work_of(s) / (double)(s->var->hi + 1) : work_of(s);
}

static void sort_by_task(Step *s) {
    for (int i = 1; i < s->steps.n; i++) {
        Step *moving = s->steps.at[i];
        int j = i;
        for (; j > 0 && work_of_task(s->steps.at[j - 1]) < work_of_task(moving); j--)
            s->steps.at[j] = s->steps.at[j - 1];
        s->steps.at[j] = moving;
    }
}

void sections(LoopFunction *f) {
    Arena *a = f->graph->program->arena;
    int n = 0;
    for (int i = 0; i < f->steps.n; i++) {
        Step *s = f->steps.at[i];
        int above = region_above(f->steps.at, n, s);
        if (above >= 0) {
            join(a, &f->steps.at[above], s);
            continue;
        }
        f->steps.at[n++] = s;
        if (is_region(s)) n = move_down(a, f->steps.at, n);
    }
    f->steps.n = n;
    for (int i = 0; i < n; i++)
        if (f->steps.at[i]->kind == STEP_TOGETHER) sort_by_task(f->steps.at[i]);
}
