/* diag.h: what the user is told: sources, spans in them, and the list of a compile's diagnostics.
 *
 * Every pass that can find the user at fault gets a Diags and adds to it, then goes on as far as
 * makes sense; main.c prints the list, in order of position, and stops when there was an error.
 * An exact repetition (same span, same message) is dropped.
 */
#ifndef NETC_DIAG_H
#define NETC_DIAG_H
#include "support.h"

enum { DIAG_LIMIT = 20 }; /* errors and warnings printed; the rest are counted */

/* A text that was read: a file, a prelude file, a command-line definition. */
typedef struct Source {
    const char *name; /* as the user wrote it: "specs/lenet.net", "-D" */
    const char *text; /* whole; ends in a zero byte */
    size_t n;         /* bytes before that */
    int order;        /* diagnostics print in order of source, then of position */
} Source;

/* A stretch of a source. Lines and columns count from 1, columns in characters (code points).
 * The end is just past the last character. source is null for a span that is nowhere, line is 0
 * for a file as a whole. */
typedef struct Span {
    const Source *source;
    int line, column;
    int end_line, end_column;
} Span;

/* From the beginning of a to the end of b; either may be nowhere. */
Span span_join(Span a, Span b);

typedef enum Severity { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE } Severity;

typedef struct Diag {
    Severity severity;
    Span span;
    const char *message; /* one line, no full stop: "unknown layer `fo`; did you mean `foo`?" */
    VEC(struct Diag *) notes; /* "in block `stage`, used here", each with a span of its own */
} Diag;

typedef struct Diags Diags;

Diags *diags_new(Arena *a);
/* Both return the diagnostic, for diag_note; never null. */
Diag *diag_error(Diags *d, Span at, const char *format, ...) PRINTF_LIKE(3, 4);
Diag *diag_warning(Diags *d, Span at, const char *format, ...) PRINTF_LIKE(3, 4);
void diag_note(Diags *d, Diag *to, Span at, const char *format, ...) PRINTF_LIKE(4, 5);
int diags_errors(const Diags *d); /* how many errors there are */

/* "; did you mean `NAME`?" where one of names[0..n) is near, else "": to end a message with. */
const char *did_you_mean(Diags *d, const char *name, const char *const *names, int n);

/* A new source, in the compile's order of reading. */
Source *source_new(Arena *a, Diags *d, const char *name, const char *text, size_t n);

/* All of it, sorted, with source lines and carets. */
void diags_print(Text *t, const Diags *d);
void diags_write(FILE *f, const Diags *d);
#endif
