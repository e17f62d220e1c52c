/* lower_ahead.c: what a tile needs after a long sum is asked for while the sum runs.
 *
 * Requires: a routine's body. Establishes: the same with STMT_AHEAD in the sums' innermost loops.
 * The elementwise work behind a sum reads and writes rows that lie apart, a few lines of each: too
 * few for the processor to see a pattern, too many to wait for at once, and nothing else is left to
 * do meanwhile. The sum before has its operands in the nearest cache and leaves the way to the
 * others free. So every few terms some of the lines are asked for; and for the next pass of the
 * loop around, what it reads before its sum. An address may lie outside of its buffer at the edges:
 * nothing happens there.
 */
#include "lower.h"

enum {
    EVERY = 4,         /* terms from one request to the next */
    WORTH_TERMS = 64,  /* shorter sums do not hide anything */
    FAR = 32 * 1024,   /* elements: smaller buffers are near anyway */
    MOST_LINES = 512,
    MOST_AT_ONCE = 12
};

/* The loops of a sum, and the requests that are spread over them. */
typedef struct Sum {
    VEC(Var *) vars;
    Stmt *at;      /* the loop in whose body requests are made, */
    Expr *when;    /* if this holds; null: in each iteration; */
    Expr *request; /* the number of the request, */
    long requests; /* and how many there are */
} Sum;

typedef struct Ahead {
    Lower *L;
    const Sum *sum;
    Var *next;       /* of the loop whose next pass this is for; null: for the present one */
    VEC(Var *) vars; /* of the unrolled loops around this point */
    int at_once;
    VEC(Expr *) seen;
    VEC(Buffer *) seen_in;
    Map *blocks; /* Expr, a condition -> Stmt */
    Body *out;
} Ahead;

static long extent(const Var *v) { return v->hi - v->lo + 1; }

/* Is it a loop over terms alone, of a tile in registers? */
static bool only_sums(const Body *body) {
    for (int i = 0; i < body->n; i++) {
        const Stmt *s = body->at[i];
        if (s->kind == STMT_STORE && s->buffer->kind != BUFFER_LOCAL) return false;
        if (s->kind == STMT_LOCAL || s->kind == STMT_COLUMNS) return false;
        if (s->kind == STMT_FOR && !s->unroll) return false;
        if (!only_sums(&s->body) || !only_sums(&s->other)) return false;
    }
    return true;
}

static Stmt *loop_within(const Stmt *s) {
    Stmt *inner = s->body.n == 1 ? s->body.at[0] : NULL;
    return inner && inner->kind == STMT_FOR && !inner->unroll ? inner : NULL;
}

static void count_requests(Pool *p, Sum *sum, Expr *number, long n) {
    sum->request = e_add(p, e_scale(p, sum->request, n), number);
    sum->requests *= n;
}

/* Is s a sum that is worth it? Requests are made in its innermost loop, or around it where it is
 * short. */
static bool find_sum(Lower *L, Stmt *s, Sum *sum) {
    Pool *p = L->pool;
    *sum = (Sum){.request = e_int(p, 0), .requests = 1};
    for (; s; s = loop_within(s)) {
        if (s->kind != STMT_FOR || s->unroll || !is_int(s->lo, 0)) return false;
        Expr *term = e_var(p, s->var);
        long n = extent(s->var);
        PUSH(L->arena, sum->vars, s->var);
        if (loop_within(s)) {
            count_requests(p, sum, term, n);
        } else if (!only_sums(&s->body)) {
            return false;
        } else if (n >= WORTH_TERMS) {
            Expr *every = e_int(p, EVERY);
            sum->when = e_op(p, OP_EQ, e_op(p, OP_IMOD, term, every, NULL), e_int(p, 0), NULL);
            count_requests(p, sum, e_op(p, OP_IDIV, term, every, NULL), (n + EVERY - 1) / EVERY);
        } else {
            return sum->at && sum->requests * n >= WORTH_TERMS;
        }
        sum->at = s;
    }
    return true;
}

static bool is_sum(Lower *L, Stmt *s) {
    Sum sum;
    return find_sum(L, s, &sum);
}

static void note_data(void *context, Expr *e) {
    bool *data = context;
    *data |= e->op == OP_LOAD;
}

/* The unrolled variables that `offset` uses, the innermost fastest, from the number of a line. */
static Expr *at_line(Ahead *a, Expr *offset, Expr *line, long *lines) {
    Pool *p = a->L->pool;
    *lines = 1;
    for (int i = a->vars.n - 1; i >= 0; i--) {
        Var *v = a->vars.at[i];
        if (!e_uses(offset, v)) continue;
        Expr *value = e_op(p, OP_IDIV, line, e_int(p, *lines), NULL);
        value = e_op(p, OP_IMOD, value, e_int(p, extent(v)), NULL);
        offset = e_subst1(p, offset, v, e_offset(p, value, v->lo));
        *lines *= extent(v);
    }
    return offset;
}

static bool is_new(Ahead *a, Buffer *b, Expr *offset) {
    for (int i = 0; i < a->seen.n; i++)
        if (a->seen.at[i] == offset && a->seen_in.at[i] == b) return false;
    PUSH(a->L->arena, a->seen, offset);
    PUSH(a->L->arena, a->seen_in, b);
    return true;
}

/* The statements for the first `lines` requests. */
static Body *block_of(Ahead *a, long lines) {
    Pool *p = a->L->pool;
    Expr *cond = e_op(p, OP_LT, a->sum->request, e_int(p, lines), NULL);
    if (is_true(cond)) return a->out;
    Stmt *s = map_get(a->blocks, cond);
    if (!s) {
        s = NEW(a->L->arena, Stmt);
        *s = (Stmt){.kind = STMT_IF, .cond = cond};
        map_set(a->blocks, cond, s);
        PUSH(a->L->arena, *a->out, s);
    }
    return &s->body;
}

static void ask_for(Ahead *a, Buffer *b, Expr *offset, bool write) {
    Pool *p = a->L->pool;
    bool data = false; /* or the sum's terms choose the element */
    bool memory = b->kind == BUFFER_ARENA || b->kind == BUFFER_STATE;
    if (!memory || b->size < FAR || offset->lanes > 1) return;
    e_visit(offset, note_data, &data);
    for (int i = 0; i < a->sum->vars.n; i++) data |= e_uses(offset, a->sum->vars.at[i]);
    if (data) return;
    if (a->next) offset = e_subst1(p, offset, a->next, e_offset(p, e_var(p, a->next), 1));
    long lines;
    Expr *first = at_line(a, offset, a->sum->request, &lines);
    long each = (lines + a->sum->requests - 1) / a->sum->requests;
    if (lines > MOST_LINES || a->at_once + each > MOST_AT_ONCE || !is_new(a, b, first)) return;
    a->at_once += (int)each;
    for (long i = 0; i < each; i++) {
        Expr *line = e_offset(p, e_scale(p, a->sum->request, each), i);
        Stmt *s = NEW(a->L->arena, Stmt);
        *s = (Stmt){.kind = STMT_AHEAD, .buffer = b, .write = write};
        s->offset = at_line(a, offset, line, &lines);
        Body *to = block_of(a, (lines + each - 1) / each);
        PUSH(a->L->arena, *to, s);
    }
}

static void note_access(void *context, Expr *e) {
    Ahead *a = context;
    if (e->op == OP_LOAD && e->lanes > 1) ask_for(a, e->buffer, e->arg[0], false);
}

/* Stores first: what is both read and written is wanted for writing. */
static void find_accesses(Ahead *a, const Stmt *s) {
    if (s->kind == STMT_FOR && s->unroll && is_const(s->lo) && is_const(s->hi)) {
        PUSH(a->L->arena, a->vars, s->var);
        for (int i = 0; i < s->body.n; i++) find_accesses(a, s->body.at[i]);
        a->vars.n--;
    } else if (s->kind == STMT_STORE) {
        if (s->value->lanes > 1) ask_for(a, s->buffer, s->offset, true);
        e_visit(s->value, note_access, a);
    }
}

/* Puts the requests for the sum at `at` of body, the whole of around, into its loop. */
static void ask_ahead(Lower *L, const Sum *sum, Var *around, const Body *body, int at) {
    Body requests = {0}, *to = &sum->at->body;
    Ahead a = {.L = L, .sum = sum, .blocks = map_new(L->arena), .out = &requests};
    for (int i = at + 1; i < body->n && !is_sum(L, body->at[i]); i++)
        find_accesses(&a, body->at[i]);
    a.next = around;
    for (int i = at - 1; i >= 0 && around && !is_sum(L, body->at[i]); i--)
        find_accesses(&a, body->at[i]);
    if (!requests.n) return;
    if (sum->when) {
        Stmt *s = NEW(L->arena, Stmt);
        *s = (Stmt){.kind = STMT_IF, .cond = sum->when, .body = requests};
        requests = (Body){0};
        PUSH(L->arena, requests, s);
    }
    for (int i = 0; i < to->n; i++) PUSH(L->arena, requests, to->at[i]);
    *to = requests;
}

static void in_body(Lower *L, Body *body, Var *around) {
    for (int i = 0; i < body->n; i++) {
        Stmt *s = body->at[i];
        Sum sum;
        if (find_sum(L, s, &sum)) {
            ask_ahead(L, &sum, around, body, i);
        } else {
            in_body(L, &s->body, s->kind == STMT_FOR && !s->unroll ? s->var : NULL);
            in_body(L, &s->other, NULL);
        }
    }
}

void lower_ahead(Lower *L, Body *body) {
    if (L->width > 1) in_body(L, body, NULL);
}
