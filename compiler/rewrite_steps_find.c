/* rewrite_steps_find.c: see rewrite_steps.h: what each step adds to each stored tensor, which
 * tensors vary from step to step, and whether all that reads a stored tensor can follow. */
#include "rewrite_steps.h"

/* --- what a step does to a tensor --- */

Change *steps_change_of(const Steps *w, const Expr *e) {
    if (e->op != OP_READ || e->node->kind != NODE_STORED) return NULL;
    for (int i = 0; i < w->changes.n; i++)
        if (w->changes.at[i].stored == e->node->stored) return &w->changes.at[i];
    return NULL;
}

static bool is_own_index(const Node *n, const Expr *read) {
    for (int i = 0; i < n->rank; i++) {
        const Expr *e = read->arg[i];
        bool same = n->shape[i] == 1 ? is_int(e, 0) : e->op == OP_VAR && e->var == n->var[i];
        if (!same) return false;
    }
    return true;
}

/* The axes but the samples' whose variables occur in e. */
static unsigned axes_used(const Node *n, Expr *e) {
    unsigned used = 0;
    for (int i = n->batched; i < n->rank; i++) used |= (unsigned)e_uses(e, n->var[i]) << i;
    return used;
}

static bool is_product(const Node *n) {
    return n->kind == NODE_COMP && n->reduce == REDUCE_NONE && !n->guard && !n->component &&
           (n->body->op == OP_MUL || n->body->op == OP_NEG);
}

/* The factors of e; tensors over several axes that are products themselves are put in. */
static void find_factors(Steps *w, const Node *next, Expr *e, Factors *out) {
    Factors here = {0};
    expr_factors(w->arena, e, &here);
    out->negative ^= here.negative;
    for (int i = 0; i < here.at.n; i++) {
        Expr *f = here.at.at[i];
        unsigned used = axes_used(next, f);
        if (f->op == OP_READ && (used & (used - 1)) && is_product(f->node))
            find_factors(w, next, node_expr_at(w->pool, f->node, f->node->body, f->arg), out);
        else PUSH(w->arena, out->at, f);
    }
}

static double extent_of(const Node *n, unsigned axes) {
    double extent = 1;
    for (int i = 0; i < n->rank; i++)
        if (axes >> i & 1) extent *= (double)n->shape[i];
    return extent;
}

/* The axes of the smallest set of factors that has no axis in common with the others; all axes
 * where there is no such set. */
static unsigned smallest_group(const Node *next, const Factors *f) {
    unsigned all = 0, best = 0;
    for (int i = 0; i < f->at.n; i++) all |= axes_used(next, f->at.at[i]);
    for (int i = 0; i < f->at.n; i++) {
        unsigned group = axes_used(next, f->at.at[i]), before = 0;
        while (group != before) {
            before = group;
            for (int j = 0; j < f->at.n; j++) {
                unsigned used = axes_used(next, f->at.at[j]);
                if (used & group) group |= used;
            }
        }
        if (group && (!best || extent_of(next, group) < extent_of(next, best))) best = group;
    }
    return best ? best : all;
}

static Side side_of(Steps *w, const Node *next, const Factors *f) {
    Side side = {.value = factors_product(w->pool, f)};
    for (int i = 0; i < next->rank && side.value; i++)
        if (e_uses(side.value, next->var[i])) side.axis[side.n++] = i;
    return side;
}

/* next = S + product or S - product: what is added, by its factors; false where it is not so. */
static bool find_change(Steps *w, const struct Update *u) {
    Node *next = u->next;
    Expr *e = next->body;
    Factors all = {0}, left = {0}, right = {0};
    if (next->kind != NODE_COMP || next->reduce != REDUCE_NONE || next->guard || next->component)
        return false;
    if (e->op != OP_ADD && e->op != OP_SUB) return false;
    Expr *old = e->arg[0], *added = e->arg[1];
    if (old->op != OP_READ || old->node->kind != NODE_STORED || old->node->stored != u->stored ||
        !is_own_index(next, old))
        return false;
    all.negative = e->op == OP_SUB;
    find_factors(w, next, added, &all);
    unsigned group = smallest_group(next, &all);
    left.negative = all.negative;
    for (int i = 0; i < all.at.n; i++) {
        unsigned used = axes_used(next, all.at.at[i]);
        Factors *to = used & ~group ? &right : &left;
        PUSH(w->arena, to->at, all.at.at[i]);
    }
    Change change = {u->stored, next, side_of(w, next, &left), side_of(w, next, &right), NULL};
    PUSH(w->arena, w->changes, change);
    return true;
}

/* --- which tensors vary --- */

static void find(void *context, Expr *e) {
    Finding *f = context;
    const Steps *w = f->w;
    f->draws |= e->op == OP_DRAW;
    f->varies |= e->op == OP_HOST && e->host == HOST_STEP;
    if (e->op != OP_READ) return;
    const Change *c = steps_change_of(w, e);
    f->changed += c != NULL;
    f->product |= c && c->right.value;
    f->follows |= c || map_get(w->follows, e->node);
    f->varies |= c || map_get(w->varies, e->node);
}

Finding steps_find_in(const Steps *w, Expr *e) {
    Finding f = {.w = w};
    if (e) e_visit(e, find, &f);
    return f;
}

Finding steps_find_in_node(const Steps *w, const Node *n) {
    Finding f = {.w = w};
    if (n->guard) e_visit(n->guard, find, &f);
    if (n->body) e_visit(n->body, find, &f);
    if (n->init) e_visit(n->init, find, &f);
    return f;
}

/* A sum over the one sample of a step is its one term. */
static bool is_liftable(const Node *n) {
    bool samples = false;
    for (int i = 0; i < n->n_rvars; i++) samples |= n->rvar[i]->batch;
    return !n->component && n->rank < MAX_RANK && (!samples || n->n_rvars == 1) &&
           (!samples || (n->reduce == REDUCE_SUM && !n->guard && !n->init));
}

static bool mark_nodes(Steps *w) {
    for (int i = 0; i < w->g->nodes.n; i++) {
        Node *n = w->g->nodes.at[i];
        Finding f = steps_find_in_node(w, n);
        if (n->kind == NODE_COMP && (f.draws || !is_liftable(n))) return false;
        if (n->batched) map_set(w->batched, n, n);
        if (n->batched || f.varies) map_set(w->varies, n, n);
        if (f.follows) map_set(w->follows, n, n);
    }
    return true;
}

/* --- what reads a tensor that changes --- */

bool steps_uses_rvar(const Node *n, Expr *e) {
    bool uses = false;
    for (int i = 0; i < n->n_rvars; i++) uses |= e_uses(e, n->rvar[i]);
    return uses;
}

static bool uses_var(const Node *n, Expr *e) { return axes_used(n, e) != 0; }

Expr *steps_changing_factor(Steps *w, const Node *n, Factors *others) {
    Factors all = {0};
    Expr *found = NULL;
    if (n->reduce != REDUCE_SUM || steps_find_in(w, n->guard).changed) return NULL;
    if (n->guard && uses_var(n, n->guard)) return NULL;
    expr_factors(w->arena, n->body, &all);
    others->negative = all.negative;
    for (int i = 0; i < all.at.n; i++) {
        Expr *e = all.at.at[i];
        if (steps_change_of(w, e) && !found) found = e;
        else if (steps_find_in(w, e).changed) return NULL;
        else PUSH(w->arena, others->at, e);
    }
    return found;
}

Expr *steps_put_index(Steps *w, const Change *c, Expr *e, Expr *const *index) {
    Map *map = map_new(w->arena);
    for (int i = 0; i < c->next->rank; i++) map_set(map, c->next->var[i], index[i]);
    return e_subst(w->pool, e, map);
}

static double terms_of(const Node *n) {
    double terms = 1;
    for (int i = 0; i < n->n_rvars; i++) terms *= (double)(n->rvar[i]->hi + 1);
    return terms;
}

/* Do the factors of a correction separate into those within the sum and those outside? */
static bool separates(Steps *w, const Node *n, Expr *read, const Factors *others) {
    const Change *c = steps_change_of(w, read);
    Factors all = *others;
    all.at.at = NULL;
    all.at.n = all.at.cap = 0;
    for (int i = 0; i < others->at.n; i++) PUSH(w->arena, all.at, others->at.at[i]);
    PUSH(w->arena, all.at, steps_put_index(w, c, c->left.value, read->arg));
    if (c->right.value) PUSH(w->arena, all.at, steps_put_index(w, c, c->right.value, read->arg));
    for (int i = 0; i < all.at.n; i++)
        if (steps_uses_rvar(n, all.at.at[i]) && uses_var(n, all.at.at[i])) return false;
    w->pairs += terms_of(n) + extent_of(n, ~0u);
    return true;
}

bool steps_is_update(const Steps *w, const Node *n) {
    for (int i = 0; i < w->changes.n; i++)
        if (w->changes.at[i].next == n) return true;
    return false;
}

/* Can n read, at each step, what the steps before have made of the tensors? */
static bool can_read(Steps *w, Node *n) {
    Factors others = {0};
    Finding f = steps_find_in_node(w, n);
    if (n->kind != NODE_COMP || steps_is_update(w, n) || !f.changed) return true;
    Expr *read = steps_changing_factor(w, n, &others);
    if (!read || !separates(w, n, read, &others)) return !f.product;
    map_set(w->sums, n, read);
    return !steps_find_in(w, n->init).product;
}

/* --- does it pay? --- */

static void need(Steps *w, Map *needed, Expr *e);

static void need_node(Steps *w, Map *needed, Node *n) {
    if (map_get(needed, n)) return;
    map_set(needed, n, n);
    if (n->kind != NODE_COMP) return;
    if (n->guard) need(w, needed, n->guard);
    if (n->init) need(w, needed, n->init);
    need(w, needed, n->body);
}

typedef struct Need {
    Steps *w;
    Map *needed;
} Need;

static void need_read(void *context, Expr *e) {
    const Need *x = context;
    if (e->op == OP_READ) need_node(x->w, x->needed, e->node);
}

static void need(Steps *w, Map *needed, Expr *e) {
    Need x = {w, needed};
    if (e) e_visit(e, need_read, &x);
}

/* Is all that n multiplies the tensor that changes by the same whatever that is? Then its sum is
 * one product of matrices for all steps. */
static bool is_hoisted(Steps *w, const Node *n) {
    Factors others = {0};
    if (!map_get(w->sums, n)) return false;
    steps_changing_factor(w, n, &others);
    for (int i = 0; i < others.at.n; i++)
        if (steps_find_in(w, others.at.at[i]).follows) return false;
    return true;
}

/* The operations of a step that are left to go through one step after the other. */
static double recurrent_work(Steps *w) {
    Map *needed = map_new(w->arena);
    double work = 0;
    for (int i = 0; i < w->changes.n; i++) {
        need(w, needed, w->changes.at[i].left.value);
        need(w, needed, w->changes.at[i].right.value);
    }
    for (int i = 0; i < w->g->nodes.n; i++) {
        Node *n = w->g->nodes.at[i];
        bool stays = map_get(needed, n) && map_get(w->follows, n) && !is_hoisted(w, n);
        if (stays) work += extent_of(n, ~0u) * terms_of(n);
    }
    return work;
}

/* Counts tensors that change by no product, each made anew at each step. */
static void count_tensors(Steps *w) {
    for (int i = 0; i < w->changes.n; i++)
        if (!w->changes.at[i].right.value) w->pairs += extent_of(w->changes.at[i].next, ~0u);
}

/* Of a step, where a call makes so many. */
static double cost(const Steps *w, long many) {
    return UPDATE * w->updated / (double)many + w->pairs * (double)(many - 1) / 2;
}

bool steps_find(Steps *w) {
    Graph *g = w->g;
    if (g->batch != 1 || !g->n_updates || g->program->training.batch != 1) return false;
    for (int i = 0; i < g->n_updates; i++)
        if (!find_change(w, &g->update[i])) return false;
    for (int i = 0; i < w->changes.n; i++) {
        const Change *c = &w->changes.at[i];
        if (steps_find_in(w, c->left.value).changed) return false;
        if (steps_find_in(w, c->right.value).changed) return false;
        if (c->right.value) w->updated += extent_of(c->next, ~0u);
    }
    for (int i = 0; i < g->n_outputs; i++) {
        const Node *n = g->output[i].node;
        if (n->rank || n->type != T_F32) return false;
    }
    if (!mark_nodes(w)) return false;
    for (int i = 0; i < g->nodes.n; i++)
        if (!can_read(w, g->nodes.at[i])) return false;
    count_tensors(w);
    if (recurrent_work(w) > w->updated) return false;
    w->many = FEWEST;
    while (w->many < MOST && cost(w, 2 * w->many) < cost(w, w->many)) w->many *= 2;
    return cost(w, 1) > WORTH * cost(w, w->many);
}
