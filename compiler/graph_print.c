/* graph_print.c: graphs and programs as text, one comprehension a line, near to the language:
 *
 *     z[n in batch, o < 128] = b[o] + sum(i < 784) W[o, i] * x[n, i]   # f32, first (net.net:3)
 */
#include "graph.h"

static void print_var(Text *t, const Var *v) {
    if (v->batch) {
        text_add(t, "%s in batch", v->name);
    } else if (v->lo) {
        text_add(t, "%ld <= %s < %ld", v->lo, v->name, v->hi + 1);
    } else {
        text_add(t, "%s < %ld", v->name, v->hi + 1);
    }
}

static void print_vars(Text *t, Var *const *v, int n, const char *open, const char *close) {
    if (n == 0) return;
    text_add(t, "%s", open);
    for (int i = 0; i < n; i++) {
        if (i) text_add(t, ", ");
        print_var(t, v[i]);
    }
    text_add(t, "%s", close);
}

static void print_term(Text *t, const Node *n) {
    if (!is_true(n->guard)) {
        text_add(t, "[");
        e_print(t, n->guard);
        text_add(t, "] ");
    }
    e_print(t, n->body);
}

static void print_value(Text *t, const Node *n) {
    if (n->reduce == REDUCE_NONE) {
        print_term(t, n);
        if (!n->init) return;
        text_add(t, " else ");
        e_print(t, n->init);
        return;
    }
    if (n->init) {
        e_print(t, n->init);
        text_add(t, n->reduce == REDUCE_SUM ? " + " : " with ");
    }
    text_add(t, "%s", reduce_names[n->reduce]);
    print_vars(t, n->rvar, n->n_rvars, "(", ")");
    text_add(t, " ");
    print_term(t, n);
}

static void print_levels(Text *t, const Node *n) {
    static const char *const kinds[] = {"seq", "lanes", "groups"};
    text_add(t, "\n    order");
    for (int i = 0; i < n->n_levels; i++) {
        const Level *l = &n->levels[i];
        text_add(t, "%s %s(%s", i ? "," : "", kinds[l->kind], l->var->name);
        if (l->div != 1) text_add(t, " / %d", l->div);
        text_add(t, " %% %d)", l->count);
    }
}

static void print_custom(Text *t, const Node *n) {
    for (int i = 0; i < n->n_custom; i++) {
        text_add(t, "\n    derivative by ");
        e_print(t, n->custom[i].arg);
        text_add(t, " is ");
        e_print(t, n->custom[i].by);
    }
}

static void print_head(Text *t, const Node *n) {
    text_add(t, "%s", n->name);
    if (n->kind == NODE_COMP) {
        print_vars(t, n->var, n->rank, "[", "]");
        return;
    }
    for (int i = 0; i < n->rank; i++) {
        text_add(t, i ? ", " : "[");
        if (n->batched && i == 0) {
            text_add(t, "batch");
        } else {
            text_add(t, "%ld", n->shape[i]);
        }
    }
    if (n->rank) text_add(t, "]");
}

static void print_remarks(Text *t, const Node *n) {
    text_add(t, "   # %s", n->bytes ? "bytes" : type_names[n->type]);
    if (n->component) {
        text_add(t, ", recurrence %d over %s %s", n->component, n->var[n->scan]->name,
                 n->scan_step > 0 ? "forward" : "backward");
    }
    if (n->increasing) text_add(t, ", increasing");
    if (n->layer) text_add(t, ", %s", n->layer);
    text_add(t, "\n");
}

static const char *const stored_kinds[N_STORED_KINDS] = {"param", "state", "optimizer",
                                                        "sums"};

static void print_node(Text *t, const Node *n) {
    print_head(t, n);
    switch (n->kind) {
    case NODE_INPUT: text_add(t, " is input"); break;
    case NODE_STORED:
        text_add(t, " is %s \"%s\"", stored_kinds[n->stored->kind], n->stored->name);
        break;
    case NODE_GRAD: text_add(t, " is grad %s", n->of->name); break;
    default:
        text_add(t, " = ");
        print_value(t, n);
        if (n->n_levels) print_levels(t, n);
        print_custom(t, n);
    }
    print_remarks(t, n);
}

void graph_print(Text *t, const Graph *g) {
    text_add(t, "graph %s, batch %ld\n", g->name, g->batch);
    for (int i = 0; i < g->nodes.n; i++) print_node(t, g->nodes.at[i]);
    for (int i = 0; i < g->n_outputs; i++) {
        text_add(t, "output %s = %s\n", g->output[i].name, g->output[i].node->name);
    }
    for (int i = 0; i < g->n_updates; i++) {
        text_add(t, "update %s = %s\n", g->update[i].stored->name, g->update[i].next->name);
    }
}

static void print_shape(Text *t, int rank, const long *shape) {
    text_add(t, "[");
    for (int i = 0; i < rank; i++) text_add(t, i ? ", %ld" : "%ld", shape[i]);
    text_add(t, "]");
}

static void print_training(Text *t, const Training *r) {
    text_add(t, "train batch %ld, epochs %ld, seed %llu", r->batch, r->epochs,
             (unsigned long long)r->seed);
    if (r->patience) text_add(t, ", patience %ld", r->patience);
    if (r->plateau_factor != 0) {
        text_add(t, ", plateau %g after %ld", r->plateau_factor, r->plateau_patience);
    }
    if (r->keep_best) text_add(t, ", keep best");
    if (r->rate) {
        text_add(t, ", rate ");
        e_print(t, r->rate);
    }
    text_add(t, "\n");
}

void program_print(Text *t, const Program *p) {
    text_add(t, "program %s\n", p->name);
    if (p->data.name) {
        text_add(t, "data %s ", p->data.name);
        print_shape(t, p->data.rank, p->data.shape);
        text_add(t, ", %d classes\n", p->data.n_classes);
    }
    print_training(t, &p->training);
    for (int i = 0; i < p->stored.n; i++) {
        const Stored *s = p->stored.at[i];
        text_add(t, "%s %s ", stored_kinds[s->kind], s->name);
        print_shape(t, s->rank, s->shape);
        text_add(t, "\n");
    }
    Graph *const graphs[] = {p->init, p->prepare, p->train, p->eval, p->predict,
                             p->settle};
    for (int i = 0; i < COUNT_OF(graphs); i++) {
        if (!graphs[i] || (graphs[i] == p->settle && !p->settle->n_updates)) continue;
        text_add(t, "\n");
        graph_print(t, graphs[i]);
    }
}
