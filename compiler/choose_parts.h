/* choose_parts.h: what the files of the chooser share (choose*.c). */
#ifndef NETC_CHOOSE_PARTS_H
#define NETC_CHOOSE_PARTS_H
#include "choose.h"

enum { SECOND_CACHE = 256 * 1024 }; /* floats */

typedef struct Choose {
    Graph *g;
    Pool *pool;
    Arena *arena;
    const Target *target;
    const Layouts *layouts;
    Map *layout; /* Node -> Layout * */
    Map *shifted;    /* Node -> itself: rows that stay in one piece */
    bool has_images;
    Schedule *s;
    Node ***readers; /* of node i */
    int *n_readers;
} Choose;

/* choose.c */
/* Within a recurrence, is n read by another step? Such a node must be in memory. */
bool choose_is_carried(Choose *c, const Node *n);
/* Does the reader read `of` at its own index only? */
bool choose_reads_own_index(const Node *of, const Node *reader);
bool choose_goes_parallel(Choose *c, const Node *n);
enum { FEW_BLOCKS = 2 }; /* of samples: with fewer, threads would be left without any */
/* Elements of all tensors that n reads, each read by itself. */
double choose_elements_read(const Node *n);
/* Is n a sum over samples that tasks may make by blocks of them, where the samples are near? Its
 * results, kept once for each block, are few beside what it sums. */
bool choose_sums_blocks(const Graph *g, const Node *n);
/* Are there contractions over images? They want samples innermost. */
bool choose_has_images(const Graph *g);
/* ns is computed inside of so many loops of host, and written to memory if `stored`. */
void choose_attach(Arena *a, NodeSchedule *ns, NodeSchedule *host, int depth, bool stored);

/* choose_updates.c: updates in an order in which each may overwrite its tensor. */
void choose_update_order(Graph *g);

/* choose_layouts.c: storage orders. First, which rows have to stay in one piece. */
void choose_rows(Choose *c);
Layout *choose_layout(Choose *c, Node *n);
/* What updates are computed from lies as they do. */
void choose_update_layouts(Choose *c);
/* Row-major but for an axis that lies innermost, padded to whole vectors; */
Layout choose_innermost(int rank, const long *shape, int axis);
/* or of which PAD elements lie innermost, and panels of so many outermost: what a tile reads along
 * its sum is one stream then, however long the axis is. place[i] says where another axis lies: -1
 * outside of the panels, 1 inside, 2 inside of those; null: 1 for all. */
Layout choose_panels(int rank, const long *shape, int axis, const int *place);

/* choose_operands.c: contractions read copies of what they would have to gather. */
void choose_operands(Choose *c);
/* Do neighbors along v lie side by side in what a read reads? */
bool choose_is_unit(Choose *c, Expr *read, Var *v);

/* choose_windows.c: where only windows of a maximum see the results of the contraction ns, they are
 * computed together. */
void choose_windows(Choose *c, NodeSchedule *ns);

/* choose_fuse.c: elementwise kernels that work on the same points become one, a contraction that
 * they read with them. */
void choose_fuse(Choose *c);

/* choose_blocks.c: small kernels in a row run by blocks of samples. */
void choose_blocks(Schedule *s);

/* choose_select.c: sums of elements that data choose. Their storage orders go into `layout` (Node
 * -> Layout *), with copies of what they read and for who reads them; what has its place from here
 * is in `placed`. */
void select_layouts(Graph *g, Map *layout, Map *placed);
/* The loops of such a sum, and of the one that it is attached to, if ns is one. */
void select_loops(Choose *c, NodeSchedule *ns);
/* For how many samples at a time its kernel runs, or 0 for all. */
long select_samples(const Graph *g, const Node *n);

/* choose_columns.c: the variable of an elementwise node along which what it gathers lies side by
 * side; null: there is none. */
Var *choose_columns(Choose *c, const Node *n);

/* choose_tile.c: the loops of one kernel; an elementwise one takes `columns` by few at a time. */
void choose_loops(const Schedule *s, const Graph *g, const Target *t, NodeSchedule *ns,
                  bool parallel, Var *columns);
/* Those of a contraction; axes marked in `whole` lie in the register tile altogether. */
void choose_contraction_loops(const Schedule *s, const Graph *g, const Target *t,
                              NodeSchedule *ns, bool parallel, const bool *whole);
/* Can the tile of n, a sum over samples in lanes, hold all results along the axes that its guard
 * tests? Those are then marked in `whole`. */
bool choose_tests_in_tile(const Target *t, const Node *n, bool *whole);
/* Tasks of a parallel loop that are worth taking; and where the operands of `of` are too large to
 * be read again and again, passes over its reduction outside the loops of ns, its kernel. Returns
 * whether there are passes. */
bool choose_outer_loops(const Graph *g, NodeSchedule *ns, const NodeSchedule *of);
/* The same where windows of `size` elements of ns's node, samples its lanes, are computed in the
 * loops of host: the host's outer loops, and all of ns's. */
void choose_window_loops(const Graph *g, const Target *t, NodeSchedule *ns, NodeSchedule *host,
                         long size, bool parallel);
/* Everything unrolled; and what a host still has to loop over inside. */
void choose_unrolled(const Graph *g, NodeSchedule *ns);
void choose_rest(const Graph *g, NodeSchedule *host);
/* How many vectors of results a tile may hold. */
long choose_accumulators(const Target *t);
/* The variable along which a node's vectors lie, or null. */
Var *choose_lane(const Node *n, const Layout *l);
#endif
