/* unit_front.c: text to tree: precedence, spans, what each construct becomes, and printing as the
 * inverse of parsing. */
#include "front.h"
#include "random.h"

static const char *print_expr(const Tree *e) {
    Text t = {.arena = arena};
    tree_print_expr(&t, e);
    return t.at;
}

static const char *print_file(const File *f) {
    Text t = {.arena = arena};
    tree_print(&t, f);
    return t.n ? t.at : "";
}

static Tree *expr(const char *text) {
    Tree *e = parse_expression(arena, diags, "-D", text);
    ck_assert_msg(e != NULL, "%s\n%s", text, said());
    return e;
}

/* text parses, and prints as `as`. */
static void expect_expr(const char *text, const char *as) {
    ck_assert_str_eq(print_expr(expr(text)), as);
}

/* --- expressions --- */

START_TEST(precedence) {
    expect_expr("a + b * c ^ d ^ e", "a + b * c^d^e");
    expect_expr("((a + b) * c) ^ d", "((a + b) * c)^d");
    expect_expr("(a ^ b) ^ c", "(a^b)^c");
    expect_expr("-a ^ 2 - -b", "-a^2 - -b");
    expect_expr("(-a) ^ 2", "(-a)^2");
    expect_expr("2 ^ -1", "2^(-1)");
    expect_expr("a - (b - c) - d", "a - (b - c) - d");
    expect_expr("a / (b * c) % d", "a / (b * c) % d");
    expect_expr("not a == b and c or d", "not a == b and c or d");
    expect_expr("not (a and (b or c))", "not (a and (b or c))");
    expect_expr("a ? b : c ? d : e", "a ? b : c ? d : e");
    expect_expr("(a ? b : c) ? d : e", "(a ? b : c) ? d : e");
    expect_expr("a ? (b ? c : d) : e", "a ? b ? c : d : e");
    expect_expr("(a -> b + c) * 2", "(a -> b + c) * 2");
    expect_expr("a ? b -> c : d -> e", "a ? b -> c : d -> e");
    ck_assert_int_eq(expr("a ? b : c -> d")->kind, TREE_COND);
    expect_expr("(a ? b : c) -> d", "(a ? b : c) -> d");
}
END_TEST

START_TEST(reductions_reach_to_the_next_sum) {
    expect_expr("b + sum(i) x[i] * y[i] + c", "b + sum(i) x[i] * y[i] + c");
    Tree *e = expr("sum(i) x[i] * y[i] + c");
    ck_assert_int_eq(e->kind, TREE_BINARY);
    ck_assert_int_eq(e->op.a->kind, TREE_REDUCE);
    expect_expr("2 * sum(i) x[i] * y", "2 * (sum(i) x[i] * y)");
    expect_expr("-sum(i) x[i] * y", "-(sum(i) x[i] * y)");
    expect_expr("(sum(i) x[i]) * y", "(sum(i) x[i]) * y");
    expect_expr("sum(i) -x[i]", "sum(i) (-x[i])");
    expect_expr("sum(i) sum(j) x[i, j]", "sum(i) sum(j) x[i, j]");
    expect_expr("argmax(k) [k != label and k > 0] in[k]", "argmax(k) [k != label and k > 0] in[k]");
    expect_expr("sum(n in batch, i..., j < 3) in@n[i..., j]",
                "sum(n in batch, i..., j < 3) in@n[i..., j]");
}
END_TEST

START_TEST(extrema_with_and_without_a_body) {
    ck_assert_int_eq(expr("max(a, b)")->kind, TREE_CALL);
    ck_assert_int_eq(expr("max(a, b) x[a, b]")->kind, TREE_REDUCE);
    ck_assert_int_eq(expr("max(a, b) - 1")->kind, TREE_BINARY);
    ck_assert_int_eq(expr("min(i < k,\n j)\n  x[i, j]")->kind, TREE_REDUCE);
    ck_assert_int_eq(expr("max(min(a, b), c)")->kind, TREE_CALL);
    File *f = parse("layer l {\n  m = max(a, b)\n  out = m\n}\n");
    ck_assert_int_eq(f->defs.at[0]->body.n, 2);
    f = parse("layer l {\n  m = max(a < 2)\n    b[a]\n  out = m }");
    ck_assert_int_eq(f->defs.at[0]->body.n, 2);
    ck_assert_int_eq(f->defs.at[0]->body.at[0]->value->kind, TREE_REDUCE);
    ck_assert_str_eq(said(), "");
}
END_TEST

START_TEST(comparisons_chain) {
    expect_expr("0 <= y < h", "0 <= y and y < h");
    expect_expr("a < b < c <= d", "a < b and b < c and c <= d");
    expect_expr("(a < b) == c", "(a < b) == c");
    expect_expr("a == (b < c)", "a == (b < c)");
}
END_TEST

START_TEST(names) {
    Tree *e = expr("next h[u, i..., 3]");
    ck_assert(e->kind == TREE_NAME && e->name.next && e->name.indexed && e->name.index.n == 3);
    ck_assert_int_eq(e->name.index.at[1]->kind, TREE_PACK);
    e = expr("in@(n + 1)[c]");
    ck_assert(e->kind == TREE_NAME && e->name.sample->kind == TREE_BINARY);
    ck_assert_str_eq(e->name.id.text, "in");
    expect_expr("in @ n [c]", "in@n[c]");
    expect_expr("label@(n)", "label@n");
    ck_assert_str_eq(expr("batch.count")->name.id.text, "batch.count");
    expect_expr("in.flat[k]", "in.flat[k]");
    e = expr("x");
    ck_assert(!e->name.indexed && !e->name.next && !e->name.sample);
    ck_assert(expr("x[]")->name.indexed);
}
END_TEST

START_TEST(calls) {
    Tree *e = expr("inside(x[i - 1], else 0)");
    ck_assert_int_eq(e->call.args.n, 2);
    ck_assert_str_eq(e->call.args.at[1].name.text, "else");
    expect_expr("f(a -> b, pad = 1, g = (c, d) -> e)", "f(a -> b, pad = 1, g = (c, d) -> e)");
    expect_expr("inside(x[i], else -1)", "inside(x[i], else -1)");
}
END_TEST

START_TEST(numbers_and_strings) {
    ck_assert_int_eq(expr("9223372036854775807")->num.i, 9223372036854775807);
    ck_assert(expr("128")->num.is_int && !expr("128.0")->num.is_int);
    ck_assert(expr("1e-8")->num.x == 1e-8 && expr("2.5e+3")->num.x == 2500);
    Tree *e = expr("\"a \\\"b\\\\ \xc3\xa9\"");
    ck_assert_str_eq(e->str, "a \"b\\ \xc3\xa9");
    expect_expr("\"a \\\"b\\\\ \"", "\"a \\\"b\\\\ \"");
}
END_TEST

/* Random trees: printing them and parsing the print gives the same tree. */
static Tree *random_tree(Random *r, int depth);

static int random_below(Random *r, int n) { return (int)random_int(r, 0, n - 1); }

static Tree *node(TreeKind kind) {
    Tree *t = NEW(arena, Tree);
    t->kind = kind;
    return t;
}

static Ident ident(Random *r) {
    static const char *const names[] = {"a", "b2", "in", "loss", "net", "batch.count", "model"};
    return (Ident){names[random_below(r, COUNT_OF(names))], {0}};
}

static Ident plain(Random *r) {
    return (Ident){random_below(r, 2) ? "i" : "layer", {0}};
}

static Args random_args(Random *r, int depth) {
    Args args = {0};
    for (int n = random_below(r, 3); n; n--)
        PUSH(arena, args, ((Arg){{0}, {0}, random_tree(r, depth - 1)}));
    if (random_below(r, 2))
        PUSH(arena, args, ((Arg){{0}, {random_below(r, 2) ? "else" : "k", {0}},
                                 random_tree(r, depth - 1)}));
    return args;
}

static Tree *random_name(Random *r, int depth) {
    Tree *t = node(TREE_NAME);
    t->name.id = ident(r);
    bool dotted = strchr(t->name.id.text, '.') != NULL;
    if (!dotted) t->name.next = random_below(r, 4) == 0;
    if (!dotted && !t->name.next && random_below(r, 4) == 0)
        t->name.sample = random_tree(r, depth - 1);
    t->name.indexed = random_below(r, 2);
    for (int n = t->name.indexed ? random_below(r, 3) : 0; n; n--) {
        Tree *index = node(TREE_PACK);
        index->pack = plain(r);
        if (random_below(r, 4)) index = random_tree(r, depth - 1);
        PUSH(arena, t->name.index, index);
    }
    return t;
}

static Tree *random_reduce(Random *r, int depth) {
    static const char *const indices[] = {"x", "y", "z"};
    Tree *t = node(TREE_REDUCE);
    t->reduce.kind = (TreeReduce)random_below(r, N_TREE_REDUCES);
    for (int i = 0, n = 1 + random_below(r, 3); i < n; i++) {
        Axis axis = {.name = {indices[i], {0}}};
        switch (random_below(r, 4)) {
        case 0: axis.limit = random_tree(r, depth - 1); break;
        case 1: axis.pack = true; break;
        case 2: axis.set.text = "batch"; break;
        }
        PUSH(arena, t->reduce.over, axis);
    }
    if (random_below(r, 3) == 0) t->reduce.guard = random_tree(r, depth - 1);
    t->reduce.body = random_tree(r, depth - 1);
    return t;
}

static Tree *random_list(Random *r, TreeKind kind, int depth) {
    Tree *t = node(kind);
    for (int n = 2 + random_below(r, 2); n; n--) PUSH(arena, t->list, random_tree(r, depth - 1));
    return t;
}

static Tree *random_tree(Random *r, int depth) {
    TreeKind kind = depth <= 0 ? TREE_NUMBER : (TreeKind)random_below(r, N_TREE_KINDS);
    Tree *t = node(kind);
    switch (kind) {
    case TREE_STRING:
        t->str = "s\"\\";
        return t;
    case TREE_NAME:
        return random_name(r, depth);
    case TREE_CALL:
        t->call.id.text = random_below(r, 3) ? "f" : "max";
        t->call.args = random_args(r, depth);
        return t;
    case TREE_UNARY:
        t->op.op = random_below(r, 2) ? TREE_NEG : TREE_NOT;
        t->op.a = random_tree(r, depth - 1);
        return t;
    case TREE_BINARY:
        do t->op.op = (TreeOp)random_below(r, N_TREE_OPS);
        while (t->op.op == TREE_NEG || t->op.op == TREE_NOT);
        t->op.a = random_tree(r, depth - 1);
        t->op.b = random_tree(r, depth - 1);
        return t;
    case TREE_COND:
        t->cond.test = random_tree(r, depth - 1);
        t->cond.yes = random_tree(r, depth - 1);
        t->cond.no = random_tree(r, depth - 1);
        return t;
    case TREE_REDUCE:
        return random_reduce(r, depth);
    case TREE_PIPE:
    case TREE_TUPLE:
        return random_list(r, kind, depth);
    default:
        t->kind = TREE_NUMBER;
        t->num.text = random_below(r, 2) ? "7" : "0.5";
        return t;
    }
}

static bool same_text(Ident a, Ident b) {
    return a.text == b.text || (a.text && b.text && !strcmp(a.text, b.text));
}

static bool same(const Tree *a, const Tree *b);

static bool same_list(Trees a, Trees b) {
    bool ok = a.n == b.n;
    for (int i = 0; ok && i < a.n; i++) ok = same(a.at[i], b.at[i]);
    return ok;
}

static bool same_axes(Axes a, Axes b) {
    bool ok = a.n == b.n;
    for (int i = 0; ok && i < a.n; i++)
        ok = same_text(a.at[i].name, b.at[i].name) && same_text(a.at[i].set, b.at[i].set) &&
             a.at[i].pack == b.at[i].pack && same(a.at[i].limit, b.at[i].limit);
    return ok;
}

static bool same_args(Args a, Args b) {
    bool ok = a.n == b.n;
    for (int i = 0; ok && i < a.n; i++)
        ok = same_text(a.at[i].name, b.at[i].name) && same(a.at[i].value, b.at[i].value);
    return ok;
}

static bool same(const Tree *a, const Tree *b) {
    if (!a || !b || a->kind != b->kind) return a == b;
    switch (a->kind) {
    case TREE_NUMBER: return !strcmp(a->num.text, b->num.text);
    case TREE_STRING: return !strcmp(a->str, b->str);
    case TREE_NAME:
        return same_text(a->name.id, b->name.id) && a->name.next == b->name.next &&
               a->name.indexed == b->name.indexed && same(a->name.sample, b->name.sample) &&
               same_list(a->name.index, b->name.index);
    case TREE_PACK: return same_text(a->pack, b->pack);
    case TREE_CALL:
        return same_text(a->call.id, b->call.id) && same_args(a->call.args, b->call.args);
    case TREE_UNARY:
    case TREE_BINARY:
        return a->op.op == b->op.op && same(a->op.a, b->op.a) && same(a->op.b, b->op.b);
    case TREE_COND:
        return same(a->cond.test, b->cond.test) && same(a->cond.yes, b->cond.yes) &&
               same(a->cond.no, b->cond.no);
    case TREE_REDUCE:
        return a->reduce.kind == b->reduce.kind && same_axes(a->reduce.over, b->reduce.over) &&
               same(a->reduce.guard, b->reduce.guard) && same(a->reduce.body, b->reduce.body);
    case TREE_PIPE:
    case TREE_TUPLE: return same_list(a->list, b->list);
    case N_TREE_KINDS: break;
    }
    return false;
}

START_TEST(random_trees_survive_print_and_parse) {
    Random r = {1};
    int kinds[N_TREE_KINDS] = {0};
    for (int i = 0; i < 4000; i++) {
        Tree *e = random_tree(&r, 1 + i % 6);
        kinds[e->kind]++;
        const char *text = arena_printf(arena, "(%s)", print_expr(e));
        Tree *again = expr(text);
        ck_assert_msg(same(e, again), "%s\n%s", text, print_expr(again));
    }
    for (int k = 0; k < N_TREE_KINDS; k++) ck_assert_msg(kinds[k] || k == TREE_PACK, "kind %d", k);
}
END_TEST

/* --- definitions --- */

static const char program[] =
    "import \"a.net\"\n"
    "const width = 2 * 64\n"
    "increasing function f(x, a = 1) = x * a derivative a, x\n"
    "layer l(n, init(i, o) = he, k = n) on in[C, S...], b, c[] {\n"
    "  param K[n, C] ~ init(C, n)\n"
    "  param b2[g < 4, 2 * n] = g\n"
    "  scan t backward {\n"
    "    state h[n] = 0, c = 1\n"
    "    next h[u] = h[u]\n"
    "  }\n"
    "  out[y < n, i...] = 1\n"
    "}\n"
    "block k(n) {\n"
    "  y = in -> l(n)\n"
    "  (y, in) -> l(2)\n"
    "}\n"
    "data d { format idx shape 1, 28 }\n"
    "net p {\n"
    "  default init = normal(0, 1), k = 2\n"
    "  data d -> l(3)\n"
    "  mu = in -> l(4)\n"
    "  const w = 3\n"
    "  model l(w) -> mu\n"
    "  loss e + 0.5 * kl(mu)\n"
    "  train { optimizer clip(1) -> o(lr = 0.1) batch(8) epochs 2 }\n"
    "}\n"
    "net q extends p { }\n";

START_TEST(definitions) {
    File *f = parse(program);
    ck_assert_str_eq(said(), "");
    ck_assert_int_eq(f->imports.n, 1);
    ck_assert_str_eq(f->imports.at[0].path, "a.net");
    static const DefKind kinds[] = {DEF_CONST, DEF_FUNCTION, DEF_LAYER, DEF_BLOCK,
                                    DEF_DATA,  DEF_NET,      DEF_NET};
    ck_assert_int_eq(f->defs.n, COUNT_OF(kinds));
    for (int i = 0; i < f->defs.n; i++) ck_assert_int_eq(f->defs.at[i]->kind, kinds[i]);
    Def *function = f->defs.at[1];
    ck_assert(function->increasing && function->derivative.n == 2 && function->params.n == 2);
    ck_assert_str_eq(print_expr(function->params.at[1].value), "1");
}
END_TEST

START_TEST(layers) {
    Def *d = parse(program)->defs.at[2];
    ck_assert(d->has_on && d->inputs.n == 3);
    ck_assert(d->inputs.at[0].indexed && d->inputs.at[0].axes.at[1].pack);
    ck_assert(!d->inputs.at[1].indexed && d->inputs.at[2].indexed);
    ck_assert(d->params.at[1].call && d->params.at[1].args.n == 2);
    ck_assert_int_eq(d->body.n, 4);
    Stmt *k = d->body.at[0], *b = d->body.at[1], *scan = d->body.at[2], *out = d->body.at[3];
    ck_assert(k->kind == STMT_PARAM && k->random && k->axes.n == 2);
    ck_assert_str_eq(k->axes.at[0].name.text, "n");
    ck_assert(!b->random && b->axes.at[0].limit && !b->axes.at[1].name.text && b->axes.at[1].size);
    ck_assert(scan->kind == STMT_SCAN && scan->backward && scan->body.n == 3);
    ck_assert(scan->body.at[1]->kind == STMT_STATE && !scan->body.at[1]->indexed);
    ck_assert(scan->body.at[2]->kind == STMT_DEFINE && scan->body.at[2]->next);
    ck_assert(out->axes.at[0].limit && out->axes.at[1].pack);
}
END_TEST

START_TEST(nets) {
    File *f = parse(program);
    Def *block = f->defs.at[3], *p = f->defs.at[5], *q = f->defs.at[6];
    ck_assert(block->body.n == 1 && block->value->kind == TREE_PIPE);
    ck_assert_int_eq(block->value->list.at[0]->kind, TREE_TUPLE);
    ck_assert_str_eq(print_expr(p->data), "d -> l(3)");
    ck_assert_str_eq(print_expr(p->model), "l(w) -> mu");
    ck_assert_str_eq(print_expr(p->loss), "e + 0.5 * kl(mu)");
    ck_assert(p->defaults.n == 2 && p->values.n == 1 && p->consts.n == 1 && p->train.n == 3);
    ck_assert(p->train.at[1].call && p->train.at[1].args.n == 1 && !p->extends.text);
    ck_assert_int_eq(p->train.at[0].args.at[0].value->kind, TREE_PIPE);
    ck_assert_str_eq(q->extends.text, "p");
    ck_assert(!q->data && !q->model && !q->loss && !q->train.n);
    Def *d = f->defs.at[4];
    ck_assert(d->entries.n == 2 && d->entries.at[1].args.n == 2);
}
END_TEST

START_TEST(printing_is_a_fixed_point) {
    const char *once = print_file(parse(program));
    const char *twice = print_file(parse(once));
    ck_assert_str_eq(said(), "");
    ck_assert_str_eq(once, twice);
    ck_assert(strstr(once, "layer l(n, init(i, o) = he, k = n) on in[C, S...], b, c[] {") != NULL);
}
END_TEST

START_TEST(words_are_not_reserved) {
    parse("net net { data data model net -> layer -> train  loss loss }\n"
          "layer model(loss, data) { out = loss + data + train + block }\n"
          "function layer(function2, optimizer) = optimizer\n");
    ck_assert_str_eq(said(), "");
}
END_TEST

/* --- positions --- */

START_TEST(spans) {
    File *f = parse("# \xc3\xa9\xc3\xa9\r\nlayer l {\r\n\tout = \"\xc3\xa9\" + x[i]\r\n}\r\n");
    Def *d = f->defs.at[0];
    ck_assert(d->span.line == 2 && d->span.column == 1 && d->span.end_line == 4 &&
              d->span.end_column == 2);
    Tree *sum = d->body.at[0]->value;
    ck_assert(sum->span.line == 3 && sum->span.column == 8 && sum->span.end_column == 18);
    ck_assert(sum->op.b->span.column == 14 && sum->op.b->name.id.span.end_column == 15);
    ck_assert(sum->op.b->name.index.at[0]->span.column == 16);
    ck_assert_str_eq(sum->span.source->name, "t.net");
    f = parse("\xef\xbb\xbf" "const x = 1");
    ck_assert_int_eq(f->defs.at[0]->span.column, 1);
    ck_assert_str_eq(said(), "");
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        precedence, reductions_reach_to_the_next_sum, extrema_with_and_without_a_body,
        comparisons_chain, names, calls, numbers_and_strings, random_trees_survive_print_and_parse,
        definitions, layers, nets, printing_is_a_fixed_point, words_are_not_reserved, spans,
    };
    return run_suite("front", tests, COUNT_OF(tests));
}
