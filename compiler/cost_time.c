/* cost_time.c: how long the operations that were counted keep a machine (cost_parts.h).
 *
 * A loop takes as long as the busiest of its units. Values that follow from each other take the
 * latency of all of them, unless enough of the instructions around fit into the machine's window to
 * hide it. Values that registers have no room for are loaded again.
 */
#include "cost_parts.h"
#include <math.h>

double cost_turns(const Nest *x, int lanes) {
    int width = x->machine->width;
    return (double)((lanes + width - 1) / width);
}

double cost_vectors(const Nest *x, double trip) {
    int lanes = x->f->target->lanes;
    double vectors = floor(trip / lanes), rest = trip - vectors * lanes;
    double each = rest > 0 ? rest / 4 + 2 : 0;
    return vectors * cost_turns(x, lanes) + (each < rest ? each : rest);
}

/* Where vectors leave such a share of the iterations; a divider takes fewer elements at once. */
static double busiest(const Loop *l, double share) {
    const double DIVIDED = 0.25;
    double most = 0;
    for (int i = 0; i < N_PORTS; i++) {
        double left = i == PORT_DIVIDE && share < DIVIDED ? DIVIDED : share;
        if (l->port[i] * left > most) most = l->port[i] * left;
    }
    return most;
}

/* Values beyond the registers are stored and loaded again, or only loaded. */
static void spill(Nest *x, Loop *l) {
    enum { SPARE = 2 };
    const Machine *m = x->machine;
    double room = x->f->target->registers - SPARE, t = cost_turns(x, x->f->target->lanes);
    double over = 1.25 * (l->registers - room), iterations = l->runs * l->trip;
    if (over > 0) {
        l->port[PORT_LOAD] += over * iterations * t / m->load;
        l->port[PORT_STORE] += over * iterations * t / m->store;
        l->port[PORT_ISSUE] += 2 * over * iterations / m->issue;
        room = l->registers;
    }
    double again = l->registers + l->kept - room;
    if (again > l->kept) again = l->kept;
    if (again > 0) {
        l->port[PORT_LOAD] += again * iterations * t / m->load;
        l->port[PORT_ISSUE] += again * iterations / m->issue;
    }
}

static bool has_loops(const Loop *l) {
    for (int i = 0; i < l->inner.n; i++)
        if (l->inner.at[i]->kind == LOOP_REAL || has_loops(l->inner.at[i])) return true;
    return false;
}

/* The share of its iterations that is left where compilers make vectors of them. */
static double share_of_vectors(const Nest *x, const Loop *l) {
    int lanes = x->f->target->lanes;
    if (lanes == 1 || l->kind != LOOP_REAL || l->apart || l->trip < 4 || !l->var) return 1;
    if (has_loops(l)) return 1;
    double vectors = floor(l->trip / lanes), each = cost_vectors(x, l->trip);
    if (l->spread > 1) each += vectors * cost_turns(x, lanes) * (l->spread - 1);
    return each < l->trip ? each / l->trip : 1;
}

/* Cycles of what l does itself, and its instructions. Elements that are far apart are put into a
 * vector one by one, for which there is one unit; compilers leave vectors that do not pay. */
static double own_time(const Nest *x, const Loop *l, double *instructions) {
    const double INSERT = 1.2;
    double share = share_of_vectors(x, l), single = busiest(l, 1);
    double own = share < 1 ? busiest(l, share) + INSERT * l->singly : single;
    if (own > single) own = single, share = 1;
    *instructions = l->port[PORT_ISSUE] * x->machine->issue * share;
    return own;
}

/* Cycles of `times` chains, as many of which run side by side as fit into the window. */
static double unhidden(const Nest *x, double chain, double instructions, double times) {
    double each = instructions / times, beside = x->machine->window / (each > 1 ? each : 1);
    return chain * times / (beside > 1 ? beside : 1);
}

/* Cycles of all runs of l, its instructions into *issued. */
static double time_of(Nest *x, Loop *l, double *issued) {
    double instructions;
    if (l->kind == LOOP_REAL) spill(x, l);
    double own = own_time(x, l, &instructions);
    for (int i = 0; i < l->inner.n; i++) {
        double n = 0;
        own += time_of(x, l->inner.at[i], &n);
        instructions += n;
    }
    for (int i = 0; i < l->chains.n && l->runs > 0; i++) {
        const Chain *c = &l->chains.at[i];
        double carried = unhidden(x, c->carried, instructions, l->runs);
        double inside = unhidden(x, c->inside, instructions, l->runs * l->trip);
        if (carried > own) own = carried;
        if (inside > own) own = inside;
    }
    *issued += instructions * l->beside;
    return own * l->beside;
}

void cost_times(Nest *x, Loop *l) {
    double n = 0;
    if (l->routine >= 0) {
        x->cost[l->routine].busy += time_of(x, l, &n);
        return;
    }
    for (int i = 0; i < l->inner.n; i++) cost_times(x, l->inner.at[i]);
}
