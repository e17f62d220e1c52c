/* compile.h: from an elaborated program to the text of a C file. */
#ifndef NETC_COMPILE_H
#define NETC_COMPILE_H
#include "diag.h"
#include "graph.h"

typedef struct Compiled Compiled;

typedef struct CompileOptions {
    const char *target;        /* a name of targets[] or "native"; must be known */
    const char *schedule_name; /* a file's name and text, or null: a schedule is chosen */
    const char *schedule_text;
    const char *without;       /* a rewrite to leave out, or null */
    const char *dump;          /* the stage to print into `dumped`, or null */
    Text *dumped;
    const char *measured;      /* what bench --profile --json wrote, for the dump of schedules */
    bool profile;              /* the program measures its kernels */
} CompileOptions;

/* Stages that can be dumped, for messages; "tree", "llvm" and "asm" are the driver's. */
extern const char *const dump_names[];
extern const int n_dump_names;

/* Is it the name of a rewrite, which can be left out? */
bool is_rewrite(const char *name);

/* Null where the schedule's text is at fault, which is then in d. */
Compiled *compile(Program *p, const CompileOptions *o, Diags *d);
/* What a program takes: memory, and useful operations a sample. */
typedef struct Costs {
    size_t state_bytes, arena_bytes;
    double train_flops, predict_flops;
} Costs;
Costs compiled_costs(const Compiled *x);
/* The .c and the .h of a program. The same input gives the same bytes. */
void print_c(Text *c, Text *h, const Compiled *x);
#endif
