/* tune_parts.h: what the files that tune share (tune*.c). */
#ifndef NETC_TUNE_PARTS_H
#define NETC_TUNE_PARTS_H
#include "print.h"
#include "schedule.h"
#include "tune.h"

typedef struct TuneOptions {
    const char *cc, *include; /* the C compiler, and where netc.h is */
    double minutes;           /* about so long */
    FILE *progress;           /* or null */
} TuneOptions;

/* Of x's training step. Adds comments and a schedule to `to`, which stays empty where no schedule
 * was found that is faster than x's. False: something could not be run, which `why` tells. */
bool tune(Text *to, const Compiled *x, const TuneOptions *o, Text *why);

/* tune_candidates.c */
typedef struct Candidate {
    Schedule *schedule;
    LoopFunction *function;
    double predicted, measured; /* seconds of the kernel that is tuned, or of all */
    uint64_t hash;              /* of its text */
} Candidate;
typedef VEC(Candidate) Candidates;

/* A schedule of its own, with the same graph. */
Schedule *schedule_clone(const Schedule *s);
/* A candidate for s; its function is lowered and planned. */
Candidate candidate_of(Arena *a, Schedule *s, const Layouts *l, const Node *kernel);
/* Legal schedules that differ from s in the loops of one kernel, most promising first. */
void tune_neighbors(Arena *a, const Schedule *s, const Layouts *l, const Node *kernel,
                    Candidates *to);

/* tune_measure.c: how long each of the candidates takes for the kernel; null: the whole function.
 * False: `why` tells. */
bool tune_measure(Arena *a, const TuneOptions *o, const Compiled *x, Candidate *c, int n,
                  const Node *kernel, Text *why);
#endif
