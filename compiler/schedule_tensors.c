/* schedule_tensors.c: the statements of a schedule's text about tensors: layouts and copies. */
#include "rewrite.h"
#include "schedule_parse.h"
#include <limits.h>
#include <string.h>

static Stored *find_stored(const Program *p, const char *name) {
    for (int i = 0; i < p->stored.n; i++)
        if (!strcmp(p->stored.at[i]->name, name)) return p->stored.at[i];
    return NULL;
}

/* --- layouts --- */

static bool parse_piece(ScheduleParse *p, struct Piece *x, long *pad, bool *modulo) {
    const Token *t = sp_next(p);
    if (t->number < 0) return false;
    *x = (struct Piece){.axis = (int)t->number, .div = 1};
    *pad = 0;
    if (sp_accept(p, "/") && !sp_number(p, "a divisor", &x->div)) return false;
    *modulo = sp_accept(p, "%");
    if (*modulo && !sp_number(p, "a count", &x->count)) return false;
    return !sp_accept(p, ":") || sp_number(p, "an extent", pad);
}

/* Pieces without %: as many values as the axis has, or as the padding gives it. */
static bool close_pieces(ScheduleParse *p, Span at, int rank, const long *shape, Layout *l,
                         const long *pad, const bool *modulo) {
    double size = 1;
    for (int i = 0; i < l->n; i++) {
        struct Piece *x = &l->piece[i];
        if (x->axis >= rank) {
            diag_error(p->diags, at, "there is no axis %d: the tensor has %d, counted from 0",
                       x->axis, rank);
            return false;
        }
        long extent = shape[x->axis];
        if (pad[i] && pad[i] < extent) {
            diag_error(p->diags, at, "axis %d has %ld values; :%ld leaves no room for them",
                       x->axis, extent, pad[i]);
            return false;
        }
        if (!modulo[i]) x->count = ((pad[i] ? pad[i] : extent) + x->div - 1) / x->div;
        bool outermost = true;
        for (int j = 0; j < l->n; j++)
            outermost &= l->piece[j].axis != x->axis || l->piece[j].div <= x->div;
        if (modulo[i] && outermost && x->count < (extent + x->div - 1) / x->div)
            l->folded = x->axis + 1;
        size *= (double)x->count;
    }
    if (size > INT_MAX / 4) {
        diag_error(p->diags, at, "this layout takes more than %d elements", INT_MAX / 4);
        return false;
    }
    layout_close(l);
    return true;
}

static bool parse_pieces(ScheduleParse *p, Span at, int rank, const long *shape, Layout *l) {
    long pad[MAX_PIECES];
    bool modulo[MAX_PIECES];
    *l = (Layout){0};
    while (!sp_now(p)->first) {
        if (sp_now(p)->kind != TOKEN_NUMBER) return sp_expected(p, "an axis, from 0");
        if (l->n == MAX_PIECES) {
            diag_error(p->diags, sp_now(p)->span, "a layout has at most %d pieces", MAX_PIECES);
            return false;
        }
        if (!parse_piece(p, &l->piece[l->n], &pad[l->n], &modulo[l->n])) return false;
        l->n++;
    }
    if (rank < 0) return true; /* of an unknown tensor */
    if (!close_pieces(p, at, rank, shape, l, pad, modulo)) return false;
    const char *fault = schedule_layout_fault(p->arena, rank, shape, l);
    if (fault) diag_error(p->diags, at, "%s", fault);
    return !fault;
}

static void lay_out_stored(ScheduleParse *p, const Token *name, Stored *s, const Layout *l) {
    Layout *before = map_get(p->stored, s), *copy = NEW(p->arena, Layout);
    *copy = *l;
    if (l->folded) {
        diag_error(p->diags, name->span, "a stored tensor must have room for all its elements");
    } else if (before && memcmp(before, copy, sizeof *copy)) {
        diag_error(p->diags, name->span, "%s has been given another layout", s->name);
    } else {
        map_set(p->stored, s, copy);
        p->layouts->stored[stored_number(p->program, s)] = *l;
    }
}

static void lay_out_node(ScheduleParse *p, const Token *name, Node *n, const Layout *l) {
    struct Given *given = NEW(p->arena, struct Given);
    *given = (struct Given){name->span, *l};
    if (graph_is_result(p->graph, n))
        diag_error(p->diags, name->span, "%s is an output or an update: its layout is given",
                   n->name);
    else if (map_get(p->layout, n))
        diag_error(p->diags, name->span, "%s has been given a layout", n->name);
    else map_set(p->layout, n, given);
}

/* layout [stored] NAME PIECE...: a node of the function, else a stored tensor */
bool sp_layout(ScheduleParse *p) {
    bool stored = sp_is(sp_now(p), "stored") && !p->token.at[p->at + 1].first &&
                  p->token.at[p->at + 1].kind == TOKEN_NAME;
    if (stored) sp_next(p);
    const Token *name;
    if (!sp_name(p, "a tensor", &name)) return false;
    Node *n = p->graph && !stored ? sp_find(p->graph, name->text) : NULL;
    Stored *s = n && n->kind == NODE_STORED ? n->stored : NULL;
    if (!n) s = find_stored(p->program, name->text);
    Layout l;
    if (s) {
        if (parse_pieces(p, name->span, s->rank, s->shape, &l)) lay_out_stored(p, name, s, &l);
    } else if (n && n->kind == NODE_COMP) {
        if (parse_pieces(p, name->span, n->rank, n->shape, &l)) lay_out_node(p, name, n, &l);
    } else if (n) {
        diag_error(p->diags, name->span, "%s is an input: its layout is given", n->name);
        parse_pieces(p, name->span, -1, NULL, &l);
    } else {
        Names names = {0};
        sp_node_names(p, &names, true);
        for (int i = 0; i < p->program->stored.n; i++)
            PUSH(p->arena, names, p->program->stored.at[i]->name);
        diag_error(p->diags, name->span, "there is no tensor `%s`%s", name->text,
                   sp_hint(p, name->text, &names));
        parse_pieces(p, name->span, -1, NULL, &l);
    }
    return true;
}

/* --- copies --- */

typedef VEC(Node *) Nodes;

static bool parse_readers(ScheduleParse *p, Nodes *readers) {
    while (!sp_now(p)->first) {
        const Token *t;
        if (!sp_name(p, "a node", &t)) return false;
        Node *n = sp_node(p, t, true);
        if (n) PUSH(p->arena, *readers, n);
    }
    return true;
}

static void make_copy(ScheduleParse *p, const Token *name, Node *of, bool all,
                      const Nodes *readers) {
    Graph *g = p->graph;
    Node *before = sp_find(g, name->text);
    if (before) {
        if (schedule_copied(g, before) != of)
            diag_error(p->diags, name->span, "%s is in the function already", name->text);
        return;
    }
    bool any = false;
    for (int i = 0; i < g->nodes.n; i++) any |= schedule_reads(g->nodes.at[i], of);
    if (!any) {
        diag_error(p->diags, name->span, "nothing reads %s, so a copy would be of no use",
                   of->name);
        return;
    }
    int n = g->nodes.n;
    Node *copy = graph_copy(g, name->text, of);
    Pool *pool = g->program->pool;
    if (strcmp(copy->name, name->text))
        diag_error(p->diags, name->span, "`%s` cannot be a name here", name->text);
    for (int i = 0; all && i < n; i++) node_redirect(pool, g->nodes.at[i], of, copy);
    for (int i = 0; i < readers->n; i++) node_redirect(pool, readers->at[i], of, copy);
}

/* copy NAME = NODE [for READER...] */
bool sp_copy(ScheduleParse *p) {
    const Token *name, *of;
    if (!sp_name(p, "a name for the copy", &name)) return false;
    if (!sp_accept(p, "of") && !sp_expect(p, "=", "`=`")) return false;
    if (!sp_name(p, "a node", &of)) return false;
    Node *node = sp_node(p, of, false);
    bool some = sp_accept(p, "for");
    Nodes readers = {0};
    if (some && !parse_readers(p, &readers)) return false;
    if (strchr(name->text, '.'))
        diag_error(p->diags, name->span, "a name without dots is needed here");
    else if (node) make_copy(p, name, node, !some, &readers);
    return true;
}
