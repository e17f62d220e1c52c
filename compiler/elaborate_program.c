/* elaborate_program.c: the five graphs of a net. */
#include "c_names.h"
#include "elaborate_parts.h"
#include <string.h>

enum { EVAL_BATCH = 64 };

static void begin(Elab *e, Graph *g, bool training) {
    e->g = g;
    e->training = training;
    e->counts = names_new(e->arena);
    e->stages = 0;
    e->instance = NULL;
    e->where = NULL;
    e->parameters = 0;
    e->label = NULL;
}

static Tensor *input(Elab *e, const char *name, Type type, int rank, const long *shape) {
    long full[MAX_RANK] = {e->g->batch};
    for (int i = 0; i < rank; i++) full[i + 1] = shape[i];
    return tensor_of(e, graph_input(e->g, name, type, rank + 1, full, true));
}

/* --- preprocessing --- */

/* Bytes become numbers from 0 to 1. */
static Tensor *scaled_bytes(Elab *e, Tensor *bytes, Span at) {
    Comp *c = comp_new(e, "pixels", true);
    Expr *index[MAX_RANK] = {var_expr(c, c->batch)};
    for (int i = 0; i < bytes->rank; i++) {
        Var *v = var_new(e->pool, arena_printf(e->arena, "i%d", i), bytes->shape[i]);
        comp_lhs(c, v);
        index[i + 1] = var_expr(c, v);
    }
    Expr *x = e_read(e->pool, bytes->node, index, bytes->rank + 1);
    x = float_op(c, OP_DIV, int_to_float(c, x), e_num(e->pool, T_F64, 255));
    return comp_finish(c, val(x), T_F32, at);
}

static Tensor *prepare(Elab *e, Scope *s, Tree *data) {
    Program *p = e->program;
    begin(e, p->prepare, false);
    e->stateless = true;
    Tensor *bytes = input(e, "bytes", T_I32, p->data.rank, p->data.shape);
    bytes->node->bytes = true;
    Tensor *x = scaled_bytes(e, bytes, data->span);
    for (int i = 1; data->kind == TREE_PIPE && i < data->list.n && x; i++) {
        x = pipeline(e, s, data->list.at[i], x);
    }
    e->stateless = false;
    if (!x) return NULL;
    if (x->node->type != T_F32 || !x->node->batched) {
        elab_error(e, data->span, "preprocessing must end in numbers of the sample");
        return NULL;
    }
    graph_output(p->prepare, "x", x->node);
    return x;
}

/* --- the net, in one graph --- */

typedef struct Forward {
    Scope *scope;
    Tensor *output;
} Forward;

static bool forward(Elab *e, Scope *outer, const Def *net, const Tensor *prepared, Forward *f) {
    Scope *s = f->scope = scope_new(e, outer);
    Ident x = {"x", net->name.span}, label = {"label", net->name.span};
    Tensor *in = input(e, "x", T_F32, prepared->rank, prepared->shape);
    bind_tensor(e, s, x, in);
    if (e->g != e->program->predict) e->label = input(e, "label", T_I32, 0, NULL);
    bind_tensor(e, s, label, e->label);
    for (int i = 0; i < net->values.n && !e->stopped; i++) {
        const Stmt *st = net->values.at[i];
        bind_tensor(e, s, st->name, pipeline(e, s, st->value, in));
    }
    f->output = pipeline(e, s, net->model, in);
    if (!f->output) return false;
    if (f->output->node->type == T_F32 && f->output->node->batched) return true;
    elab_error(e, net->model->span, "the model's output must be numbers of the sample");
    return false;
}

/* The terms of a loss: those of a sample, and those of the parameters alone. */
typedef struct Loss {
    Node *each, *once;
} Loss;

static Node *add_nodes(Elab *e, Node *a, Node *b, const char *name, Span at) {
    if (!a || !b) return a ? a : b;
    Comp *c = comp_new(e, name, true);
    Expr *n = var_expr(c, c->batch);
    Expr *x = e_read(e->pool, a, &n, a->rank), *y = e_read(e->pool, b, &n, b->rank);
    Tensor *t = comp_finish(c, val(e_add(e->pool, x, y)), T_F32, at);
    return t ? t->node : NULL;
}

static bool add_loss(Elab *e, Scope *s, Tree *t, Tensor *output, Loss *loss) {
    if (t->kind == TREE_BINARY && t->op.op == TREE_ADD) {
        return add_loss(e, s, t->op.a, output, loss) && add_loss(e, s, t->op.b, output, loss);
    }
    Tensor *x = pipeline(e, s, t, output);
    if (!x) return false;
    if (x->rank || x->node->type != T_F32) {
        elab_error(e, t->span, "a loss is one number for each sample, found %s",
                   shape_text(e->arena, x->rank, x->shape));
        return false;
    }
    Node **to = x->node->batched ? &loss->each : &loss->once;
    *to = add_nodes(e, *to, x->node, "loss_terms", t->span);
    return *to != NULL;
}

/* Without a model's output the names in a loss can be looked up all the same. */
static void check_loss(Elab *e, Scope *s, Tree *t) {
    if (t->kind == TREE_BINARY) {
        check_loss(e, s, t->op.a);
        check_loss(e, s, t->op.b);
        return;
    }
    if (t->kind == TREE_PIPE) t = t->list.at[t->list.n - 1];
    if (t->kind != TREE_NAME && t->kind != TREE_CALL) return;
    Ident name = t->kind == TREE_NAME ? t->name.id : t->call.id;
    if (scope_find(s, name.text) || find_op(name.text) >= 0) return;
    if (!find_def(e, s, SPACE_STAGE, name.text)) unknown_def(e, s, SPACE_STAGE, name, "loss");
}

static bool find_loss(Elab *e, Scope *s, const Def *net, Tensor *output, Loss *loss) {
    e->in_loss = true;
    bool good = add_loss(e, s, net->loss, output, loss);
    e->in_loss = false;
    if (!good || loss->each) return good;
    elab_error(e, net->loss->span, "the loss depends on no sample");
    return false;
}

/* --- training --- */

/* The mean over the samples there are. */
static Node *mean_loss(Elab *e, const Loss *loss, Span at) {
    Pool *p = e->pool;
    Comp *sum = comp_new(e, "loss", false);
    Var *n = var_new(p, "n", e->g->batch);
    n->batch = true;
    Term *t = term_new(sum, REDUCE_SUM, T_F32, "sum");
    Expr *sample = var_expr(sum, n), *one = e_num(p, T_F64, 1);
    PUSH(e->arena, t->rvars, n);
    t->body = e_read(p, loss->each, &sample, 1);
    Expr *total = val_expr(sum, val_term(t));
    if (!total) return NULL;
    Comp *mean = comp_new(e, "loss", false);
    Expr *count = e_op(p, OP_DOUBLE, e_host(p, HOST_COUNT), NULL, NULL);
    Expr *x = float_op(mean, OP_MUL, total, e_op(p, OP_DIV, one, count, NULL));
    if (loss->once) x = e_add(p, x, e_read(p, loss->once, NULL, 0));
    Tensor *out = comp_finish(mean, val(x), T_F32, at);
    return out ? out->node : NULL;
}

static void set_params(Elab *e) {
    e->n_params = e->program->stored.n;
    e->param = NEW_ARRAY(e->arena, Stored *, e->n_params + 1);
    for (int i = 0; i < e->n_params; i++) e->param[i] = e->program->stored.at[i];
}

static void unused_values(Elab *e, Scope *s, const Def *net) {
    for (int i = 0; i < net->values.n; i++) {
        const Bind *b = scope_find(s, net->values.at[i]->name.text);
        if (b && !b->used) {
            diag_warning(e->diags, b->span, "neither the model nor the loss uses `%s`", b->name);
        }
    }
}

static void train(Elab *e, Scope *s, const Def *net, const Tensor *prepared, Tree *rule) {
    Forward f = {0};
    Loss loss = {0};
    begin(e, e->program->train, true);
    e->rows = true;
    bool good = forward(e, s, net, prepared, &f);
    e->rows = false;
    set_params(e);
    if (!good) check_loss(e, f.scope, net->loss);
    if (!good || !find_loss(e, f.scope, net, f.output, &loss)) return;
    unused_values(e, f.scope, net);
    set_params(e); /* a loss may have some too */
    if (e->n_params == 0) {
        elab_error(e, net->model->span, "the model has no parameters to train");
        return;
    }
    for (int i = 0; i < e->states.n; i++) PUSH(e->arena, e->program->stored, e->states.at[i]);
    Node *mean = mean_loss(e, &loss, net->loss->span);
    if (!mean) return;
    graph_output(e->g, "loss", mean);
    if (rule) optimize(e, s, rule);
    e->grad = NULL;
    e->sums = NULL;
    e->program->n_sites = e->site;
}

/* --- evaluation --- */

/* The class with the largest output. */
static void predict_class(Elab *e, const Tensor *output) {
    Pool *p = e->pool;
    if (output->rank != 1) return;
    Comp *c = comp_new(e, "prediction", true);
    Term *t = term_new(c, REDUCE_ARGMAX, T_I32, "argmax");
    Var *k = var_new(p, "k", output->shape[0]);
    Expr *index[2] = {var_expr(c, c->batch), var_expr(c, k)};
    PUSH(e->arena, t->rvars, k);
    t->body = e_read(p, output->node, index, 2);
    Tensor *x = comp_finish(c, val_term(t), T_I32, (Span){0});
    if (x) graph_output(e->g, "prediction", x->node);
}

static void evaluate(Elab *e, Scope *s, const Def *net, const Tensor *prepared, Graph *g,
                     int site) {
    Forward f = {0};
    Loss loss = {0};
    begin(e, g, false);
    e->site = site;
    int before = diags_errors(e->diags);
    if (!forward(e, s, net, prepared, &f)) {
        if (diags_errors(e->diags) == before) {
            elab_error(e, net->model->span, "the model needs the label, which prediction lacks");
        }
        return;
    }
    if (e->label) {
        if (!find_loss(e, f.scope, net, f.output, &loss)) return;
        graph_output(g, "loss", loss.each); /* what no sample is in counts in training alone */
    }
    predict_class(e, f.output);
    graph_output(g, "output", f.output->node);
}

/* --- all of it --- */

static Scope *net_scope(Elab *e, const Def *net) {
    Scope *s = scope_new(e, e->root);
    for (int i = 0; i < net->consts.n; i++) {
        const Def *d = net->consts.at[i];
        Bind *old = NULL; /* a later one, of a net that extends another, counts */
        for (int k = 0; k < s->binds.n; k++) {
            if (!strcmp(s->binds.at[k]->name, d->name.text)) old = s->binds.at[k];
        }
        Bind *b = old ? old : scope_bind(e, s, BIND_ARG, d->name.text, d->name.span);
        b->tree = d->value;
        b->in = s;
    }
    for (int i = 0; i < net->defaults.n; i++) {
        const Arg *a = &net->defaults.at[i];
        Bind *b = NEW(e->arena, Bind);
        *b = (Bind){.kind = BIND_ARG, .name = a->name.text, .span = a->span, .tree = a->value,
                    .in = s};
        PUSH(e->arena, e->defaults, b);
    }
    return s;
}

static const Def *find_data(Elab *e, const Def *net) {
    Tree *t = net->data && net->data->kind == TREE_PIPE ? net->data->list.at[0] : net->data;
    if (!t || t->kind != TREE_NAME || t->name.indexed) {
        Span at = t ? t->span : net->name.span;
        elab_error(e, at, t ? "the name of a data set is expected here" : "the net has no data");
        return NULL;
    }
    const Def *d = find_def(e, NULL, SPACE_DATA, t->name.id.text);
    if (!d) unknown_def(e, NULL, SPACE_DATA, t->name.id, "data set");
    return d;
}

static bool is_complete(Elab *e, const Def *net) {
    if (!net->model) elab_error(e, net->name.span, "`%s` has no model", net->name.text);
    if (!net->loss) elab_error(e, net->name.span, "`%s` has no loss", net->name.text);
    return net->model && net->loss;
}

static void unused_defaults(Elab *e) {
    for (int i = 0; i < e->own_defaults; i++) {
        const Bind *b = e->defaults.at[i];
        if (!b->used) {
            elab_error(e, b->span, "no layer of this net leaves a parameter `%s` open", b->name);
        }
    }
}

static void build_graphs(Elab *e, Scope *s, const Def *net, Tree *rule) {
    Program *p = e->program;
    p->init = graph_new(p, "init", 1);
    p->prepare = graph_new(p, "prepare", EVAL_BATCH);
    p->train = graph_new(p, "train", p->training.batch);
    p->eval = graph_new(p, "eval", EVAL_BATCH);
    p->predict = graph_new(p, "predict", 1);
    p->settle = graph_new(p, "settle", 1);
    Tensor *x = prepare(e, s, net->data);
    int site = e->site;
    if (x) train(e, s, net, x, rule);
    if (diags_errors(e->diags) || !x) return;
    unused_defaults(e);
    evaluate(e, s, net, x, p->eval, site);
    evaluate(e, s, net, x, p->predict, site);
}

void build_program(Elab *e, const Def *net) {
    Program *p = e->program;
    p->name = net->name.text;
    p->file = net->name.span.source ? net->name.span.source->name : "";
    if (c_taken(p->name))
        elab_error(e, net->name.span, "a net cannot have the name `%s`, which means something in C "
                   "already; call it `%s_net`, say", p->name, p->name);
    Scope *s = net_scope(e, net);
    const Def *data = find_data(e, net);
    bool good = data && read_data(e, data), complete = is_complete(e, net);
    Tree *rule = read_training(e, s, net);
    if (rule) check_rule(e, s, rule);
    if (!good || !complete) return;
    build_graphs(e, s, net, rule);
    if (diags_errors(e->diags)) return;
    Graph *all[] = {p->init, p->prepare, p->train, p->eval, p->predict, p->settle};
    for (int i = 0; i < COUNT_OF(all); i++) graph_sort(all[i]);
}
