/* lower_blocks.c: sums over samples whose order begins anew with each block of them.
 *
 * Tasks that share blocks of samples compute the sums of each block where its samples are near, and
 * put them side by side. When all are there they are added up, in the order of the blocks: the sums
 * are the same to the bit as those of one loop over all samples.
 */
#include "lower.h"

bool lower_by_block(const Lower *L, const Node *n) {
    if (L->shared.n != 1) return false;
    const Item *item = L->shared.at[0].item;
    return item->parallel && !item->scan && node_sums_blocks(n, item->step);
}

static Expr *place_in_block(Lower *L, const Node *n, Expr *block, Expr *offset) {
    return e_add(L->pool, e_scale(L->pool, block, L->memory[n->id]->size), offset);
}

void lower_block_sum(Lower *L, const Frame *f, Expr *value) {
    const Node *n = f->ns->node;
    Expr *offset = layout_offset(L->pool, &L->memory[n->id]->layout, f->value);
    emit_store(L, L->by_block[n->id], place_in_block(L, n, f->block, offset), value);
}

/* Elements from `first` on, `lanes` at a time. */
static void add_up(Lower *L, const Node *n, long first, long times, int lanes) {
    if (!times) return;
    Pool *p = L->pool;
    Buffer *m = L->memory[n->id];
    Var *i = var_new(p, "i", times), *b = var_new(p, "block", (L->graph->batch + PAD - 1) / PAD);
    Body *out = L->out;
    open_loop(L, LOOP_FOR, i, e_int(p, 0), e_int(p, times));
    Expr *at = e_offset(p, e_scale(p, e_var(p, i), lanes), first), *place = e_int(p, 0);
    if (lanes > 1) {
        L->lane = var_new(p, "lane", lanes);
        place = e_var(p, L->lane);
        at = e_add(p, at, place);
    }
    const long extent[] = {lanes};
    Buffer *sum = new_local(L, "sum", T_F32, 1, extent, lanes > 1 ? 0 : -1);
    emit_store(L, sum, place, e_num(p, T_F32, 0));
    Body *inner = L->out;
    open_loop(L, LOOP_FOR, b, e_int(p, 0), blocks_of_count(p, PAD, false));
    Expr *term = v_load(p, L->by_block[n->id], place_in_block(L, n, e_var(p, b), at), NULL, 1);
    emit_store(L, sum, place, e_op(p, OP_ADD, v_load(p, sum, place, NULL, 1), term, NULL));
    L->out = inner;
    emit_store(L, m, at, v_load(p, sum, place, NULL, 1));
    L->lane = NULL;
    L->out = out;
}

void lower_sum_of_blocks(Lower *L, const Node *n) {
    long size = L->memory[n->id]->size, whole = size / L->width;
    add_up(L, n, 0, whole, L->width);
    if (L->width > 1) add_up(L, n, whole * L->width, size - whole * L->width, 1);
}
