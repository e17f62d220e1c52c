/* loop_points.h: what takes evaluating offsets at points of loops, for loop_verify.c. */
#ifndef NETC_LOOP_POINTS_H
#define NETC_LOOP_POINTS_H
#include "loop.h"

/* Is 0 <= e < end wherever `known` holds? Both without loads; of many points some are tried. */
bool points_inside(Arena *a, Expr *e, Expr *known, long end);

/* Do the tasks of a parallel step write different places? */
typedef struct Tasks Tasks;
/* Each task has its value of v. */
Tasks *tasks_new(Arena *a, const Var *v);
/* Notes a store by r of `lanes` elements from `offset` on, where `known` holds; false: another task
 * stores there too. Where the strides of an offset do not show it, or there are few points, the
 * offsets are computed and compared, those of other stores to the same buffer included. */
bool tasks_store(Tasks *t, const Routine *r, const Buffer *b, Expr *offset, int lanes, Expr *known);
#endif
