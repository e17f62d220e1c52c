/* describe.c: what a compiled network says of itself to the runtime, as the runtime's own tables
 * (netc.h). The printer of C writes them out; the just-in-time compiler hands them over.
 */
#include "print.h"

static const netc_piece *pieces(Arena *a, const Layout *l) {
    netc_piece *piece = NEW_ARRAY(a, netc_piece, l->n + 1);
    for (int i = 0; i < l->n; i++) {
        const struct Piece *x = &l->piece[i];
        piece[i] = (netc_piece){x->axis, x->div, x->count, x->stride};
    }
    return piece;
}

static void shape_to(long *to, int rank, const long *shape) {
    _Static_assert((int)MAX_RANK <= (int)NETC_MAX_RANK, "every shape has room in the tables");
    for (int i = 0; i < rank; i++) to[i] = shape[i];
}

/* All but sums, which come last. */
static int n_saved(const Compiled *x) {
    int n = x->layouts->n;
    while (n > 0 && x->program->stored.at[n - 1]->kind == STORED_SUMS) n--;
    return n;
}

static const netc_tensor *tensors(Arena *a, const Compiled *x) {
    static const netc_kind kinds[STORED_SUMS] = {NETC_PARAM, NETC_STATE, NETC_OPTIMIZER};
    netc_tensor *tensor = NEW_ARRAY(a, netc_tensor, x->layouts->n + 1);
    for (int i = 0; i < n_saved(x); i++) {
        const Stored *s = x->program->stored.at[i];
        const Layout *l = &x->layouts->stored[i];
        tensor[i] = (netc_tensor){
            .name = s->name, .kind = kinds[s->kind], .rank = s->rank,
            .offset = x->layouts->offset[i], .bytes = 4 * (size_t)l->size, .n_pieces = l->n,
            .piece = pieces(a, l)};
        shape_to(tensor[i].shape, s->rank, s->shape);
    }
    return tensor;
}

static const netc_layer *layers(Arena *a, const Program *p) {
    netc_layer *layer = NEW_ARRAY(a, netc_layer, p->n_layers + 1);
    for (int i = 0; i < p->n_layers; i++) {
        const struct LayerRow *r = &p->layer[i];
        layer[i] = (netc_layer){.name = r->name, .text = r->text, .rank = r->rank,
                                .parameters = r->parameters};
        shape_to(layer[i].shape, r->rank, r->shape);
    }
    return layer;
}

static netc_data data(Arena *a, const DataSet *d) {
    const char **classes = NEW_ARRAY(a, const char *, d->n_classes + 1);
    for (int i = 0; i < d->n_classes; i++) classes[i] = d->classes ? d->classes[i] : NULL;
    netc_data to = {.name = d->name, .format = d->format, .folder = d->folder,
                    .train = {d->train[0], d->train[1]}, .test = {d->test[0], d->test[1]},
                    .package = d->package, .rank = d->rank, .n_classes = d->n_classes,
                    .classes = classes, .validation = d->validation, .use = d->use};
    shape_to(to.shape, d->rank, d->shape);
    return to;
}

static netc_training training(const Training *t) {
    return (netc_training){.batch = t->batch, .epochs = t->epochs, .seed = t->seed,
                           .patience = t->patience, .plateau_factor = t->plateau_factor,
                           .plateau_patience = t->plateau_patience, .keep_best = t->keep_best};
}

/* The shape of one sample. */
static int sample_shape(const Node *n, long *shape) {
    if (!n) return 0;
    shape_to(shape, n->rank - 1, n->shape + 1);
    return n->rank - 1;
}

netc_net *describe(const Compiled *x) {
    const Program *p = x->program;
    Costs costs = compiled_costs(x);
    netc_net *net = NEW(p->arena, netc_net);
    *net = (netc_net){
        .abi = NETC_ABI, .version = NETC_VERSION, .name = p->name, .hash = x->hash,
        .target = x->target->name, .flags = x->target->flags,
        .state_bytes = costs.state_bytes, .arena_bytes = costs.arena_bytes,
        .tensor = tensors(p->arena, x), .n_tensors = n_saved(x),
        .layer = layers(p->arena, p), .n_layers = p->n_layers,
        .data = data(p->arena, &p->data), .training = training(&p->training),
        .prepare_batch = p->prepare->batch, .eval_batch = p->eval->batch,
        .train_steps = p->train->batch / p->training.batch,
        .settle_steps = compiled_has(x, FUNCTION_SETTLE) ? SETTLE * p->train->batch : 0,
        .train_flops = costs.train_flops, .predict_flops = costs.predict_flops};
    net->x_rank = sample_shape(graph_find_output(p->prepare, "x"), net->x_shape);
    net->output_rank = sample_shape(graph_find_output(p->eval, "output"), net->output_shape);
    return net;
}
