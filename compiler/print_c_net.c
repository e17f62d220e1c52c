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

static void print_pieces(Printer *p, int i, const netc_tensor *x) {
    Text t = {.arena = p->arena};
    for (int j = 0; j < x->n_pieces; j++) {
        const netc_piece *piece = &x->piece[j];
        text_add(&t, "%s{%d, %ld, %ld, %ld}", j ? ", " : "", piece->axis, piece->div, piece->count,
                 piece->stride);
    }
    c_line(p, "static const netc_piece piece%d[] = {%s};", i, t.n ? t.at : "{0, 1, 1, 1}");
}

static void print_tensors(Printer *p, const netc_net *net) {
    static const char *const kinds[] = {[NETC_PARAM] = "NETC_PARAM", [NETC_STATE] = "NETC_STATE",
                                        [NETC_OPTIMIZER] = "NETC_OPTIMIZER"};
    for (int i = 0; i < net->n_tensors; i++) print_pieces(p, i, &net->tensor[i]);
    c_line(p, "static const netc_tensor tensors[] = {");
    p->indent++;
    for (int i = 0; i < net->n_tensors; i++) {
        const netc_tensor *x = &net->tensor[i];
        c_line(p, "{%s, %s, %d, %s, %zu, %zu, %d, piece%d},", quoted(p, x->name), kinds[x->kind],
               x->rank, list(p, x->rank, x->shape), x->offset, x->bytes, x->n_pieces, i);
    }
    if (!net->n_tensors) c_line(p, "{0},");
    p->indent--;
    c_line(p, "};");
}

static void print_layers(Printer *p, const netc_net *net) {
    c_line(p, "static const netc_layer layers[] = {");
    p->indent++;
    for (int i = 0; i < net->n_layers; i++) {
        const netc_layer *r = &net->layer[i];
        c_line(p, "{%s, %s, %d, %s, %ld},", quoted(p, r->name), quoted(p, r->text), r->rank,
               list(p, r->rank, r->shape), r->parameters);
    }
    if (!net->n_layers) c_line(p, "{0},");
    p->indent--;
    c_line(p, "};");
}

static void print_data(Printer *p, const netc_data *d) {
    c_line(p, ".data = {%s, %s, %s, {%s, %s}, {%s, %s}, %s, %d, %s, %d, classes, %.17g, %.17g},",
           quoted(p, d->name), quoted(p, d->format), quoted(p, d->folder), quoted(p, d->train[0]),
           quoted(p, d->train[1]), quoted(p, d->test[0]), quoted(p, d->test[1]),
           quoted(p, d->package), d->rank, list(p, d->rank, d->shape), d->n_classes, d->validation,
           d->use);
}

static void print_classes(Printer *p, const netc_data *d) {
    Text t = {.arena = p->arena};
    for (int i = 0; i < d->n_classes; i++)
        text_add(&t, "%s%s", i ? ", " : "", quoted(p, d->classes[i]));
    c_line(p, "static const char *const classes[] = {%s};", t.n ? t.at : "0");
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
    const netc_net *net = describe(x);
    const netc_training *tr = &net->training;
    c_line(p, "%s", "");
    print_tensors(p, net);
    print_layers(p, net);
    print_classes(p, &net->data);
    print_rate(p, x->program);
    c_line(p, "%s", "");
    c_line(p, "const netc_net %s = {", net->name);
    p->indent++;
    c_line(p, ".abi = NETC_ABI, .version = %s,", quoted(p, net->version));
    c_line(p, ".name = %s,", quoted(p, net->name));
    c_line(p, ".hash = 0x%016llxu,", (unsigned long long)net->hash);
    c_line(p, ".target = %s,", quoted(p, net->target));
    c_line(p, ".flags = %s,", quoted(p, net->flags));
    c_line(p, ".state_bytes = %zu, .arena_bytes = %zu,", net->state_bytes, net->arena_bytes);
    c_line(p, ".tensor = tensors, .n_tensors = %d,", net->n_tensors);
    c_line(p, ".layer = layers, .n_layers = %d,", net->n_layers);
    print_data(p, &net->data);
    c_line(p, ".training = {%ld, %ld, %llu, %ld, %.17g, %ld, %d},", tr->batch, tr->epochs,
           (unsigned long long)tr->seed, tr->patience, tr->plateau_factor, tr->plateau_patience,
           tr->keep_best);
    c_line(p, ".x_rank = %d, .x_shape = %s,", net->x_rank, list(p, net->x_rank, net->x_shape));
    c_line(p, ".output_rank = %d, .output_shape = %s,", net->output_rank,
           list(p, net->output_rank, net->output_shape));
    c_line(p, ".prepare_batch = %ld, .eval_batch = %ld,", net->prepare_batch, net->eval_batch);
    c_line(p, ".train_steps = %ld,", net->train_steps);
    if (net->settle_steps) c_line(p, ".settle_steps = %ld,", net->settle_steps);
    c_line(p, ".train_flops = %.17g, .predict_flops = %.17g,", net->train_flops,
           net->predict_flops);
    for (int i = 0; i < N_FUNCTIONS; i++)
        if (compiled_has(x, i)) c_line(p, ".%s = %s,", function_names[i], function_names[i]);
    if (x->program->training.rate) c_line(p, ".rate = rate,");
    if (x->profile)
        c_line(p, ".kernel = kernels, .n_kernels = sizeof kernels / sizeof *kernels - 1,");
    p->indent--;
    c_line(p, "};");
}
