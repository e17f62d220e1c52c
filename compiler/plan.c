/* plan.c: give every buffer of a function its place in the arena, by lifetime.
 *
 * Establishes: first and last step of every buffer, offsets such that buffers whose lifetimes meet
 * do not overlap, and the arena's size. Larger buffers choose first; each takes the
 * lowest place where it fits.
 */
#include "loop.h"
#include <stdlib.h>

static size_t bytes_of(const Buffer *b) {
    return ((size_t)b->size * (size_t)b->narrow + SLACK + ALIGN - 1) / ALIGN * ALIGN;
}

static int larger_first(const void *x, const void *y) {
    const Buffer *a = *(Buffer *const *)x, *b = *(Buffer *const *)y;
    if (bytes_of(a) != bytes_of(b)) return bytes_of(a) < bytes_of(b) ? 1 : -1;
    return a->first != b->first ? a->first - b->first : 0;
}

static bool conflict(const Buffer *a, const Buffer *b) {
    bool together = a->first <= b->last && b->first <= a->last;
    return together && a->offset < b->offset + bytes_of(b) && b->offset < a->offset + bytes_of(a);
}

static void place(Buffer *b, Buffer **placed, int n, size_t from) {
    b->offset = from;
    for (bool again = true; again;) {
        again = false;
        for (int i = 0; i < n; i++) {
            if (!conflict(b, placed[i])) continue;
            b->offset = placed[i]->offset + bytes_of(placed[i]);
            again = true;
        }
    }
}

static void touch(const Step *s, int at) {
    if (s->kind == STEP_CALL) {
        for (int i = 0; i < s->routine->buffers.n; i++) {
            Buffer *b = s->routine->buffers.at[i];
            if (b->first < 0) b->first = at;
            b->last = at;
        }
    }
    for (int i = 0; i < s->steps.n; i++) touch(s->steps.at[i], at);
}

void plan(LoopFunction *f) {
    for (int i = 0; i < f->steps.n; i++) touch(f->steps.at[i], i);
    Arena *a = f->graph->program->arena;
    Buffer **list = NEW_ARRAY(a, Buffer *, f->buffers.n + 1);
    int n = 0;
    size_t from = f->scalar.n ? bytes_of(f->scalars) : 0;
    for (int i = 0; i < f->buffers.n; i++)
        if (f->buffers.at[i]->kind == BUFFER_ARENA && f->buffers.at[i]->first >= 0)
            list[n++] = f->buffers.at[i];
    qsort(list, (size_t)n, sizeof *list, larger_first);
    f->arena_bytes = from;
    for (int i = 0; i < n; i++) {
        place(list[i], list, i, from);
        size_t end = list[i]->offset + bytes_of(list[i]);
        if (end > f->arena_bytes) f->arena_bytes = end;
    }
}
