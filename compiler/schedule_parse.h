/* schedule_parse.h: what the files that read schedules share. */
#ifndef NETC_SCHEDULE_PARSE_H
#define NETC_SCHEDULE_PARSE_H
#include "diag.h"
#include "schedule_text.h"

typedef struct Token {
    enum { TOKEN_NAME, TOKEN_NUMBER, TOKEN_SIGN, TOKEN_END } kind;
    const char *text;
    long number;
    bool first; /* of its line */
    Span span;
} Token;

/* Where the text speaks of a node's schedule, for what is found wrong with it later. */
typedef struct Mark {
    NodeSchedule *ns;
    Span span;
    VEC(Span) loops;
} Mark;

struct Given { /* a layout, and where */
    Span span;
    Layout layout;
};

typedef struct ScheduleParse {
    Program *program;
    const Target *target;
    Layouts *layouts;
    Diags *diags;
    Arena *arena;
    VEC(Token) token;
    int at;
    bool in_error; /* braces may not match any more */
    /* the function in progress, or null */
    Graph *graph;
    Span function;
    VEC(Mark *) marks;
    VEC(Item *) items;
    Map *layout; /* Node -> struct Given * */
    Map *stored; /* Stored -> Layout *, of the whole text */
} ScheduleParse;

typedef VEC(const char *) Names;

/* schedule_tokens.c */
void sp_tokenize(ScheduleParse *p, const Source *source);
const Token *sp_now(const ScheduleParse *p);
const Token *sp_next(ScheduleParse *p);
bool sp_is(const Token *t, const char *word);
bool sp_accept(ScheduleParse *p, const char *word);
/* Each says what was expected, and returns false, where something else stands. */
bool sp_expected(ScheduleParse *p, const char *what);
bool sp_expect(ScheduleParse *p, const char *sign, const char *what);
bool sp_name(ScheduleParse *p, const char *what, const Token **t);
bool sp_number(ScheduleParse *p, const char *what, long *x); /* at least 1 */
const char *sp_hint(ScheduleParse *p, const char *name, Names *names);
Node *sp_find(const Graph *g, const char *name);
void sp_node_names(ScheduleParse *p, Names *names, bool computed);
/* A node of the function; where only a computed one makes sense, the others are told. */
Node *sp_node(ScheduleParse *p, const Token *t, bool computed);

/* schedule_tensors.c: what follows the words `layout` and `copy` */
bool sp_layout(ScheduleParse *p);
bool sp_copy(ScheduleParse *p);
#endif
