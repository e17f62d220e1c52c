/* schedule_text.h: what the files that print, read and check schedules share. */
#ifndef NETC_SCHEDULE_TEXT_H
#define NETC_SCHEDULE_TEXT_H
#include "schedule.h"

/* schedule_complete.c */
/* What n is a copy of: another node, element for element; null for anything else. */
Node *schedule_copied(const Graph *g, const Node *n);
/* Do n's expressions read x? */
bool schedule_reads(const Node *n, const Node *x);
/* Does `read`, evaluated for n, read at n's own index, in a tensor of n's shape? */
bool schedule_is_own_index(const Node *n, const Expr *read);

/* schedule_print.c: " 0/16 1 0%16", what a layout line says after the name. */
void schedule_print_layout(Text *t, const Layout *l, const long *shape);

/* A check in progress. */
typedef struct ScheduleCheck {
    const Schedule *s;
    const Layouts *layouts;
    Graph *g;
    Pool *pool;
    Arena *arena;
    ScheduleReport *report;
    void *context;
    bool good;
    struct Where { /* by node id; root is null for what is nowhere in memory or a kernel */
        NodeSchedule *root;
        int order;               /* of the kernel, in the order of execution */
        VEC(const Item *) loops; /* around it, outermost first */
    } *where;
    Parts *part; /* by node id, with inline nodes put in */
} ScheduleCheck;

void schedule_fault(ScheduleCheck *c, const NodeSchedule *ns, int loop, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* schedule_check_loops.c: the loops of one node, and the order of its reduction */
void schedule_check_loops(ScheduleCheck *c, const NodeSchedule *ns);
/* schedule_check_flow.c: everything is computed before it is read, and not overwritten before */
void schedule_check_flow(ScheduleCheck *c);
/* schedule_check_memory.c */
/* What is wrong with a layout; null where nothing is. */
const char *schedule_layout_fault(Arena *a, int rank, const long *shape, const Layout *l);
/* layouts, and room for the samples that loops run over */
void schedule_check_memory(ScheduleCheck *c);
#endif
