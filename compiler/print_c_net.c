/* print_c_net.c: the netc_net that describes a compiled network to the runtime. */
#include "print.h"

static const char *quoted(Printer *p, const char *s) {
    if (!s) return "0";
    Text t = {.arena = p->arena};
    text_add(&t, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') text_add(&t, "\\%c", c);
        else if (c < 32 || c == '?') text_add(&t, "\\%03o", c);
        else text_add(&t, "%c", c);
    }
    text_add(&t, "\"");
    return t.at;
}

static const char *list(Printer *p, int n, const long *x) {
    Text t = {.arena = p->arena};
    text_add(&t, "{");
    for (int i = 0; i < n; i++) text_add(&t, "%s%ld", i ? ", " : "", x[i]);
    text_add(&t, n ? "}" : "0}");
    return t.at;
}

static void print_pieces(Printer *p, int i, const Layout *l) {
    Text t = {.arena = p->arena};
    for (int j = 0; j < l->n; j++) {
        const struct Piece *x = &l->piece[j];
        text_add(&t, "%s{%d, %ld, %ld, %ld}", j ? ", " : "", x->axis, x->div, x->count, x->stride);
    }
    c_line(p, "static const netc_piece piece%d[] = {%s};", i, t.n ? t.at : "{0, 1, 1, 1}");
}

static void print_tensors(Printer *p, const Compiled *x) {
    const Program *program = x->program;
    for (int i = 0; i < x->layouts->n; i++) print_pieces(p, i, &x->layouts->stored[i]);
    c_line(p, "static const netc_tensor tensors[] = {");
    p->indent++;
    for (int i = 0; i < x->layouts->n; i++) {
        static const char *const kinds[N_STORED_KINDS] = {"NETC_PARAM", "NETC_STATE",
                                                          "NETC_OPTIMIZER"};
        const Stored *s = program->stored.at[i];
        const Layout *l = &x->layouts->stored[i];
        c_line(p, "{%s, %s, %d, %s, %zu, %ld, %d, piece%d},", quoted(p, s->name), kinds[s->kind],
               s->rank, list(p, s->rank, s->shape), x->layouts->offset[i], 4 * l->size, l->n, i);
    }
    if (!x->layouts->n) c_line(p, "{0},");
    p->indent--;
    c_line(p, "};");
}

static void print_layers(Printer *p, const Program *program) {
    c_line(p, "static const netc_layer layers[] = {");
    p->indent++;
    for (int i = 0; i < program->n_layers; i++) {
        const struct LayerRow *r = &program->layer[i];
        c_line(p, "{%s, %s, %d, %s, %ld},", quoted(p, r->name), quoted(p, r->text), r->rank,
               list(p, r->rank, r->shape), r->parameters);
    }
    if (!program->n_layers) c_line(p, "{0},");
    p->indent--;
    c_line(p, "};");
}

static void print_data(Printer *p, const DataSet *d) {
    c_line(p, ".data = {%s, %s, %s, {%s, %s}, {%s, %s}, %s, %d, %s, %d, classes, %.17g, %.17g},",
           quoted(p, d->name), quoted(p, d->format), quoted(p, d->folder), quoted(p, d->train[0]),
           quoted(p, d->train[1]), quoted(p, d->test[0]), quoted(p, d->test[1]),
           quoted(p, d->package), d->rank, list(p, d->rank, d->shape), d->n_classes, d->validation,
           d->use);
}

static void print_classes(Printer *p, const DataSet *d) {
    Text t = {.arena = p->arena};
    for (int i = 0; i < d->n_classes; i++)
        text_add(&t, "%s%s", i ? ", " : "", quoted(p, d->classes ? d->classes[i] : NULL));
    c_line(p, "static const char *const classes[] = {%s};", t.n ? t.at : "0");
}

static const char *shape_of(Printer *p, const Node *n, bool batched) {
    return n ? list(p, n->rank - batched, n->shape + batched) : "{0}";
}

static void print_rate(Printer *p, const Program *program) {
    if (!program->training.rate) return;
    p->names = map_new(p->arena);
    p->taken = names_new(p->arena);
    p->temps = map_new(p->arena);
    c_line(p, "static double rate(const netc_call *call) {");
    p->indent++;
    Text t = {.arena = p->arena};
    c_expr(p, &t, program->training.rate);
    c_line(p, "return %s;", t.at);
    p->indent--;
    c_line(p, "}");
}

void c_kernels(Printer *p, const Compiled *x) {
    text_add(p->out, "\nstatic netc_kernel kernels[] = {\n");
    for (int i = 0; i < N_FUNCTIONS; i++) {
        const LoopFunction *f = x->function[i];
        for (int j = 0; j < f->routines.n; j++) {
            const Routine *r = f->routines.at[j];
            text_add(p->out, "    {\"%s\", \"%s\", %s, %.17g, 0, 0},\n", f->name, r->name,
                     quoted(p, r->comment), r->flops);
        }
    }
    text_add(p->out, "    {0},\n};\n");
}

void c_descriptor(Printer *p, const Compiled *x) {
    Program *program = x->program;
    const Training *tr = &program->training;
    Node *prepared = graph_find_output(program->prepare, "x");
    Node *output = graph_find_output(program->eval, "output");
    Costs costs = compiled_costs(x);
    c_line(p, "%s", "");
    print_tensors(p, x);
    print_layers(p, program);
    print_classes(p, &program->data);
    print_rate(p, program);
    c_line(p, "%s", "");
    c_line(p, "const netc_net %s = {", program->name);
    p->indent++;
    c_line(p, ".abi = NETC_ABI, .version = %s,", quoted(p, NETC_VERSION));
    c_line(p, ".name = %s,", quoted(p, program->name));
    c_line(p, ".hash = 0x%016llxu,", (unsigned long long)x->hash);
    c_line(p, ".target = %s,", quoted(p, x->target->name));
    c_line(p, ".flags = %s,", quoted(p, x->target->flags));
    c_line(p, ".state_bytes = %zu, .arena_bytes = %zu,", costs.state_bytes,
           costs.arena_bytes);
    c_line(p, ".tensor = tensors, .n_tensors = %d,", x->layouts->n);
    c_line(p, ".layer = layers, .n_layers = %d,", program->n_layers);
    print_data(p, &program->data);
    c_line(p, ".training = {%ld, %ld, %llu, %ld, %.17g, %ld, %d},", tr->batch, tr->epochs,
           (unsigned long long)tr->seed, tr->patience, tr->plateau_factor, tr->plateau_patience,
           tr->keep_best);
    c_line(p, ".x_rank = %d, .x_shape = %s,", prepared ? prepared->rank - 1 : 0,
           shape_of(p, prepared, true));
    c_line(p, ".output_rank = %d, .output_shape = %s,", output ? output->rank - 1 : 0,
           shape_of(p, output, true));
    c_line(p, ".prepare_batch = %ld, .eval_batch = %ld,", program->prepare->batch,
           program->eval->batch);
    c_line(p, ".train_steps = %ld,", program->train->batch / tr->batch);
    c_line(p, ".train_flops = %.17g, .predict_flops = %.17g,", costs.train_flops,
           costs.predict_flops);
    for (int i = 0; i < N_FUNCTIONS; i++)
        c_line(p, ".%s = %s,", function_names[i], function_names[i]);
    if (tr->rate) c_line(p, ".rate = rate,");
    if (x->profile)
        c_line(p, ".kernel = kernels, .n_kernels = sizeof kernels / sizeof *kernels - 1,");
    p->indent--;
    c_line(p, "};");
}
