/* choose.h: the plain chooser: a schedule for any frozen graph. */
#ifndef NETC_CHOOSE_H
#define NETC_CHOOSE_H
#include "schedule.h"

/* Outputs and updates become nodes of their own that a kernel can write in place. Before order. */
void materialise(Graph *g);
/* Storage orders of parameters and states, from how the training step's contractions read them. */
void choose_layouts(const Program *p, Layouts *l);
/* A schedule; adds copies of operands in other storage orders to the graph. */
Schedule *choose(Graph *g, const Target *t, const Layouts *l);

/* choose_tile.c: the loops of one kernel. */
void choose_loops(const Graph *g, const Target *t, NodeSchedule *ns, bool parallel);
/* The same where windows of `size` elements of ns's node, samples its lanes, are computed in the
 * loops of host: the host's outer loops, and all of ns's. */
void choose_window_loops(const Graph *g, const Target *t, NodeSchedule *ns, NodeSchedule *host,
                         long size, bool parallel);
/* Everything unrolled; and what a host still has to loop over inside. */
void choose_unrolled(const Graph *g, NodeSchedule *ns);
void choose_rest(const Graph *g, NodeSchedule *host);
/* The variable along which a node's vectors lie, or null. */
Var *choose_lane(const Node *n, const Layout *l);

/* choose_blocks.c: items of one sample or more share loops over blocks of samples. */
void choose_blocks(Schedule *s);
#endif
