/* network.c: the layers of a program as a graph for Graphviz: a node a row of the table of layers,
 * an arrow where one gets what another made.
 */
#include "graph.h"

static void shape(Text *t, int rank, const long *extent) {
    for (int i = 0; i < rank; i++) text_add(t, "%s%ld", i ? " × " : "", extent[i]);
}

static void quoted(Text *t, const char *s) {
    for (; *s; s++) text_add(t, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
}

static void print_layer(Text *t, const struct LayerRow *r, int k) {
    text_add(t, "  n%d [label=\"", k);
    quoted(t, r->text);
    text_add(t, "\\n");
    shape(t, r->rank, r->shape);
    text_add(t, "\"%s];\n", r->parameters ? " style=bold" : "");
    for (int i = 0; i < r->from.n; i++) {
        if (r->from.at[i] < 0) text_add(t, "  sample -> n%d;\n", k);
        else text_add(t, "  n%d -> n%d;\n", r->from.at[i], k);
    }
}

void network_print(Text *t, const Program *p) {
    text_add(t, "digraph %s {\n  node [shape=box];\n  sample [label=\"%s\" shape=plain];\n",
             p->name, p->data.name);
    for (int i = 0; i < p->n_layers; i++) print_layer(t, &p->layer[i], i);
    text_add(t, "}\n");
}
