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
#endif
