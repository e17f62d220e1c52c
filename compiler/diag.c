/* diag.c: see diag.h. */
#include "diag.h"
#include <stdlib.h>
#include <string.h>

struct Diags {
    Arena *arena;
    VEC(Diag *) list; /* in order of discovery */
    Map *seen;        /* names map of what is in the list, to drop repetitions */
    int errors, sources;
    int dropped; /* beyond KEPT */
    Diag spare;  /* stands for those */
};

enum { KEPT = 1000 };

static const char *const severity_names[] = {"error", "warning", "note"};

Span span_join(Span a, Span b) {
    if (!a.source || a.source != b.source) return a.source ? a : b;
    return (Span){a.source, a.line, a.column, b.end_line, b.end_column};
}

Diags *diags_new(Arena *a) {
    Diags *d = NEW(a, Diags);
    d->arena = a;
    d->seen = names_new(a);
    return d;
}

Source *source_new(Arena *a, Diags *d, const char *name, const char *text, size_t n) {
    Source *s = NEW(a, Source);
    s->name = arena_strdup(a, name);
    s->text = arena_strndup(a, text, n);
    s->n = n;
    s->order = d->sources++;
    return s;
}

static Diag *diag_new(Diags *d, Severity severity, Span at, const char *format, va_list args) {
    Text message = {.arena = d->arena};
    text_addv(&message, format, args);
    Diag *g = NEW(d->arena, Diag);
    g->severity = severity;
    g->span = at;
    g->message = message.at;
    return g;
}

static Diag *diag_add(Diags *d, Severity severity, Span at, const char *format, va_list args) {
    if (d->list.n == KEPT) {
        d->dropped++;
        d->errors += severity == DIAG_ERROR;
        return &d->spare;
    }
    Diag *g = diag_new(d, severity, at, format, args);
    const char *key = arena_printf(d->arena, "%p:%d:%d:%d:%s", (const void *)at.source, at.line,
                                   at.column, (int)severity, g->message);
    Diag *before = names_get(d->seen, key);
    if (before) return before;
    names_set(d->seen, key, g);
    PUSH(d->arena, d->list, g);
    d->errors += severity == DIAG_ERROR;
    return g;
}

Diag *diag_error(Diags *d, Span at, const char *format, ...) {
    va_list args;
    va_start(args, format);
    Diag *g = diag_add(d, DIAG_ERROR, at, format, args);
    va_end(args);
    return g;
}

Diag *diag_warning(Diags *d, Span at, const char *format, ...) {
    va_list args;
    va_start(args, format);
    Diag *g = diag_add(d, DIAG_WARNING, at, format, args);
    va_end(args);
    return g;
}

void diag_note(Diags *d, Diag *to, Span at, const char *format, ...) {
    if (to == &d->spare) return;
    va_list args;
    va_start(args, format);
    Diag *g = diag_new(d, DIAG_NOTE, at, format, args);
    va_end(args);
    for (int i = 0; i < to->notes.n; i++)
        if (!memcmp(&to->notes.at[i]->span, &at, sizeof at) &&
            !strcmp(to->notes.at[i]->message, g->message))
            return;
    PUSH(d->arena, to->notes, g);
}

int diags_errors(const Diags *d) {
    return d->errors;
}

const char *did_you_mean(Diags *d, const char *name, const char *const *names, int n) {
    const char *near = nearest_name(name, names, n);
    return near ? arena_printf(d->arena, "; did you mean `%s`?", near) : "";
}

/* The bytes of line `line`, without its end. */
static const char *source_line(const Source *s, int line, size_t *n) {
    const char *p = s->text, *end = s->text + s->n;
    for (; line > 1; line--) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline) break;
        p = newline + 1;
    }
    const char *stop = memchr(p, '\n', (size_t)(end - p));
    *n = (size_t)((stop ? stop : end) - p);
    while (*n && p[*n - 1] == '\r') --*n;
    return p;
}

/* The part of a line that is shown: long lines are cut around the span. */
enum { SHOWN = 96, BEFORE = 40 };

/* Characters first..last of a line, each as one column: tabs as spaces, what is not printable as
 * `?`. Returns how many there were. */
static int print_line(Text *t, const char *p, size_t n, int first, int last) {
    int column = 0;
    for (size_t i = 0; i < n;) {
        size_t length = 1;
        while (i + length < n && ((unsigned char)p[i + length] & 0xc0) == 0x80) length++;
        if (++column >= first && column <= last) {
            unsigned char c = (unsigned char)p[i];
            if (c == '\t') text_add(t, " ");
            else if (c < 0x20 || c == 0x7f || (c >= 0x80 && length == 1)) text_add(t, "?");
            else text_add(t, "%.*s", (int)length, p + i);
        }
        i += length;
    }
    return column;
}

static void print_excerpt(Text *t, Span at) {
    size_t n;
    const char *line = source_line(at.source, at.line, &n);
    int columns = print_line(t, line, n, 1, 0);
    int first = columns > SHOWN && at.column > SHOWN - BEFORE ? at.column - BEFORE : 1;
    int last = first + SHOWN - 1;
    text_add(t, "%5d | %s", at.line, first > 1 ? "..." : "");
    print_line(t, line, n, first, last);
    text_add(t, "%s\n      | %s", columns > last ? "..." : "", first > 1 ? "   " : "");
    int end = at.end_line > at.line ? columns + 1 : at.end_column;
    if (end > last + 1) end = last + 1;
    for (int i = first; i < at.column; i++) text_add(t, " ");
    text_add(t, "^");
    for (int i = at.column + 1; i < end; i++) text_add(t, "~");
    text_add(t, "\n");
}

static void print_diag(Text *t, const Diag *g) {
    bool placed = g->span.source && g->span.line;
    text_add(t, "%s:", g->span.source ? g->span.source->name : "netc");
    if (placed) text_add(t, "%d:%d:", g->span.line, g->span.column);
    text_add(t, " %s: %s\n", severity_names[g->severity], g->message);
    if (placed) print_excerpt(t, g->span);
    for (int i = 0; i < g->notes.n; i++) print_diag(t, g->notes.at[i]);
}

/* By source, then position; what is nowhere comes first. */
static int compare_spans(const Span *a, const Span *b) {
    if (a->source != b->source) {
        int x = a->source ? a->source->order : -1, y = b->source ? b->source->order : -1;
        if (x != y) return x < y ? -1 : 1;
    }
    if (a->line != b->line) return a->line < b->line ? -1 : 1;
    return (a->column > b->column) - (a->column < b->column);
}

typedef struct Ranked {
    Diag *diag;
    int index; /* keeps the order of discovery among equals */
} Ranked;

static int compare_ranked(const void *x, const void *y) {
    const Ranked *a = x, *b = y;
    int c = compare_spans(&a->diag->span, &b->diag->span);
    return c ? c : a->index - b->index;
}

void diags_print(Text *t, const Diags *d) {
    int n = d->list.n;
    if (!n) return;
    Ranked *sorted = NEW_ARRAY(d->arena, Ranked, n);
    for (int i = 0; i < n; i++) sorted[i] = (Ranked){d->list.at[i], i};
    qsort(sorted, (size_t)n, sizeof *sorted, compare_ranked);
    for (int i = 0; i < n && i < DIAG_LIMIT; i++) print_diag(t, sorted[i].diag);
    if (n > DIAG_LIMIT)
        text_add(t, "netc: too many: %d more are not shown\n", n - DIAG_LIMIT + d->dropped);
}

void diags_write(FILE *f, const Diags *d) {
    Text t = {.arena = d->arena};
    diags_print(&t, d);
    if (t.n) fwrite(t.at, 1, t.n, f);
}
