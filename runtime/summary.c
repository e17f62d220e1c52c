/* summary.c: the command summary: what a compiled network is; as JSON all that the tables of
 * netc_net say. */
#include "internal.h"

static void json_names(const char *key, const char *const *name, int n) {
    printf(", \"%s\": [", key);
    for (int i = 0; i < n; i++) {
        if (i) printf(", ");
        netc_json_string(stdout, name[i]);
    }
    printf("]");
}

static void json_shape(const char *key, int rank, const long *shape) {
    char text[128];
    netc_shape_text(text, sizeof text, rank, shape);
    printf(", \"%s\": %s", key, text);
}

static void json_number(const char *key, double x) {
    printf(", \"%s\": ", key);
    netc_json_number(stdout, x);
}

static void json_data(const netc_data *d) {
    printf(", \"data\": {\"name\": ");
    netc_json_string(stdout, d->name);
    printf(", \"folder\": ");
    netc_json_string(stdout, d->folder);
    json_names("train", d->train, 2);
    json_names("test", d->test, 2);
    json_shape("shape", d->rank, d->shape);
    json_names("classes", d->classes, d->n_classes);
    json_number("validation", d->validation);
    json_number("use", d->use);
    printf("}");
}

static void json_training(const netc_training *t) {
    printf(", \"training\": {\"batch\": %ld, \"epochs\": %ld, \"seed\": %llu", t->batch,
           t->epochs, (unsigned long long)t->seed);
    printf(", \"patience\": %ld, \"plateau_patience\": %ld", t->patience, t->plateau_patience);
    json_number("plateau_factor", t->plateau_factor);
    printf(", \"keep_best\": %s}", t->keep_best ? "true" : "false");
}

static void summary_json(const netc_net *net, long parameters) {
    printf("{\"spec\": ");
    netc_json_string(stdout, net->name);
    printf(", \"hash\": \"%016llx\", \"target\": ", (unsigned long long)net->hash);
    netc_json_string(stdout, net->target);
    json_data(&net->data);
    json_training(&net->training);
    json_shape("input", net->x_rank, net->x_shape);
    printf(", \"layers\": [");
    for (int i = 0; i < net->n_layers; i++) {
        printf("%s{\"name\": ", i ? ", " : "");
        netc_json_string(stdout, net->layer[i].name);
        printf(", \"text\": ");
        netc_json_string(stdout, net->layer[i].text);
        json_shape("shape", net->layer[i].rank, net->layer[i].shape);
        printf(", \"parameters\": %ld}", net->layer[i].parameters);
    }
    printf("], \"parameters\": %ld, \"state_bytes\": %zu, \"arena_bytes\": %zu", parameters,
           net->state_bytes, net->arena_bytes);
    json_number("train_flops", net->train_flops);
    json_number("predict_flops", net->predict_flops);
    printf("}\n");
}

static void summary_text(const netc_net *net, long parameters) {
    int name = 5, text = 5;
    for (int i = 0; i < net->n_layers; i++) {
        int n = (int)strlen(net->layer[i].name), m = (int)strlen(net->layer[i].text);
        if (n > name) name = n;
        if (m > text) text = m < 50 ? m : 50;
    }
    printf("%s on %s, compiled for %s\n", net->name, net->data.name, net->target);
    printf("%-*s  %-*s  %-16s %12s\n", name, "layer", text, "is", "output", "parameters");
    for (int i = 0; i < net->n_layers; i++) {
        char shape[128];
        netc_shape_text(shape, sizeof shape, net->layer[i].rank, net->layer[i].shape);
        printf("%-*s  %-*s  %-16s %12ld\n", name, net->layer[i].name, text, net->layer[i].text,
               shape, net->layer[i].parameters);
    }
    printf("parameters: %ld\n", parameters);
    printf("memory: %zu bytes of state, %zu bytes of working memory\n", net->state_bytes,
           net->arena_bytes);
    printf("useful work a sample: %.3f MFLOP in training, %.3f MFLOP in prediction\n",
           net->train_flops * 1e-6, net->predict_flops * 1e-6);
}

int netc_summary_command(const netc_net *net, const netc_options *o) {
    long parameters = 0;
    for (int i = 0; i < net->n_tensors; i++)
        if (net->tensor[i].kind == NETC_PARAM)
            parameters += netc_elements(net->tensor[i].rank, net->tensor[i].shape);
    if (o->json) summary_json(net, parameters);
    else summary_text(net, parameters);
    return 0;
}
