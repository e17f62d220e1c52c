/* plan.c: give every buffer of a function its place in the arena, by lifetime.
 *
 * Establishes: first and last step of every buffer, offsets such that buffers whose lifetimes meet
 * do not overlap, and the arena's size. Larger buffers choose first; each takes the
 * lowest place where it fits.
 *
 * Where tasks each run several steps for a block of samples, a tensor's block is of one task, and
 * what its later steps begin to use may take the place of what its earlier ones had done with,
 * block by block.
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

/* Does a task that uses a block of y no longer use that of x, which has the same place? */
static bool follows(const Buffer *y, const Buffer *x) {
    return x->first == x->last && y->first == x->first && x->region && x->region == y->region &&
           x->region_last < y->region_first && x->block && x->block == y->block &&
           x->offset == y->offset;
}

bool plan_in_turn(const Buffer *a, const Buffer *b) { return follows(a, b) || follows(b, a); }

static bool conflict(const Buffer *a, const Buffer *b) {
    bool together = a->first <= b->last && b->first <= a->last;
    return together && a->offset < b->offset + bytes_of(b) &&
           b->offset < a->offset + bytes_of(a) && !plan_in_turn(a, b);
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

/* Samples in the blocks of a parallel step; 0: it is of something else. */
static long samples_of(const Step *region) {
    const Expr *count = region->count;
    return count->op == OP_IDIV ? (long)count->arg[1]->num : 0;
}

/* Bytes of b from one block of samples to the next, or 0. */
static size_t block_of(const Buffer *b, const Step *region) {
    const struct Piece *outer = b->layout.piece;
    long samples = samples_of(region);
    if (!b->node || !b->node->batched || !b->layout.n || outer->axis != 0) return 0;
    if (b->layout.folded || samples % outer->div) return 0;
    return (size_t)(samples / outer->div * outer->stride) * (size_t)b->narrow;
}

/* A step at `at`: if not null, within the tasks of region, `inside` of them. */
static void touch(const Step *s, int at, const Step *region, int inside) {
    for (int i = 0; s->kind == STEP_CALL && i < s->routine->buffers.n; i++) {
        Buffer *b = s->routine->buffers.at[i];
        if (b->first < 0) {
            b->first = at;
            b->region = region;
            b->region_first = inside;
            b->block = region ? block_of(b, region) : 0;
        }
        if (b->region != region && b->first == at) b->block = 0;
        b->last = at;
        b->region_last = inside;
    }
    for (int i = 0; i < s->steps.n; i++) {
        bool task = s->kind == STEP_PARALLEL && !region;
        touch(s->steps.at[i], at, task ? s : region, task ? i : inside);
    }
}

void plan(LoopFunction *f) {
    for (int i = 0; i < f->steps.n; i++) touch(f->steps.at[i], i, NULL, 0);
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
