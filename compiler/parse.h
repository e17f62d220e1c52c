/* parse.h: what the parser's parts share: the way of a text is lexer.l, tokens.c, parser.y.
 *
 * lexer.l knows characters, tokens.c what depends on the tokens around (calls, reductions, the way
 * on after an error), parser.y the grammar; its actions call tree_build.c and item_build.c, which
 * make the tree and check what the grammar leaves open. parse.c is the entrance, and reports
 * syntax errors.
 */
#ifndef NETC_PARSE_H
#define NETC_PARSE_H
#include "tree.h"

typedef struct Tokens Tokens;

/* A parse in progress. */
typedef struct Parse {
    Arena *arena;
    Diags *diags;
    Source *source;
    Tokens *tokens;
    File *file;    /* gets definitions as they are complete */
    Tree *expr;    /* parse_expression's result */
    bool too_deep; /* said once */
} Parse;

/* An element between parentheses or brackets, before it is known what it is for. */
typedef enum PartKind {
    PART_VALUE, /* 3, y < 4, in -> f */
    PART_KEYED, /* pad = 1, else 0 */
    PART_PACK,  /* i... */
    PART_SET    /* n in batch */
} PartKind;
typedef struct Part {
    PartKind kind;
    Span span;
    Ident name, set;
    Tree *value;
} Part;
typedef VEC(Part) Parts;

/* What a left side is made of: name, name[parts]. */
typedef struct Ref {
    Span span;
    Ident name;
    bool indexed;
    Parts parts;
} Ref;
typedef VEC(Ref) Refs;

/* Anything in the braces of a definition; which kinds may be there, build.c checks. */
typedef struct Item Item;
typedef VEC(Item *) Items;
typedef enum ItemKind {
    ITEM_ENTRY, /* batch 128, clip(1) */
    ITEM_GROUP, /* train { ... } */
    ITEM_STMT,  /* param, state, definition, scan */
    ITEM_PIPE,  /* in -> f -> g */
    ITEM_CONST  /* const n = 3 */
} ItemKind;
struct Item {
    ItemKind kind;
    Span span;
    Entry entry;  /* ENTRY; GROUP: its name */
    Items items;  /* GROUP; SCAN's body */
    Stmt *stmt;   /* STMT, scans without their body */
    Tree *value;  /* PIPE */
    Def *def;     /* CONST */
};

/* What stands between a definition's name and its braces, in any order. */
typedef struct Head {
    bool has_params, has_on;
    Formals params;
    Ident extends;
    Inputs inputs;
    Span params_at, on_at;
} Head;

/* tokens.c, to parser.y and parse.c. */
union YYSTYPE;
Tokens *tokens_new(Parse *p, bool expression);
void tokens_free(Tokens *t);
int tokens_next(Tokens *t, union YYSTYPE *value, Span *at);
void tokens_recover(Tokens *t);                /* after an error: go on where it makes sense */
const char *tokens_last(const Tokens *t);      /* the last token as written; null at the end */
bool tokens_detached(const Tokens *t);         /* it is a `(` apart from the name before */
bool tokens_open(const Tokens *t, Span *at, char *bracket); /* innermost bracket not closed */
bool tokens_hopeless(const Tokens *t);         /* recovery came to the end of the file */
bool is_def_word(const char *text);            /* net, layer ...: begins a definition */

/* tree_build.c: expressions. */
Tree *tree_number(Parse *p, Span at, const char *text, bool is_int);
Tree *tree_string(Parse *p, Span at, const char *text);
Tree *tree_name(Parse *p, Ident name);
Tree *tree_read(Parse *p, Span at, Ref ref, bool next, Tree *sample);
Tree *tree_sample(Parse *p, Span at, Ident name, Tree *sample, const Parts *parts);
Tree *tree_call(Parse *p, Span at, Ident name, Parts parts);
Tree *tree_extremum(Parse *p, Span at, Span name, TreeReduce kind, Parts parts);
Tree *tree_unary(Parse *p, Span at, TreeOp op, Tree *a);
Tree *tree_binary(Parse *p, Span at, TreeOp op, Tree *a, Tree *b);
Tree *tree_compare(Parse *p, Span at, TreeOp op, Tree *a, Tree *b); /* and chains */
Tree *tree_cond(Parse *p, Span at, Tree *test, Tree *yes, Tree *no);
Tree *tree_reduce(Parse *p, Span at, TreeReduce kind, Parts over, Tree *guard, Tree *body);
Tree *tree_pipe(Parse *p, Span at, Tree *a, Tree *b);
Tree *tree_parens(Parse *p, Span at, Parts parts); /* one: itself; more: a tuple */
Part part_else(Parse *p, Span at, Span word, Tree *value);
Ref ref(Span at, Ident name, const Parts *parts); /* parts null: no brackets */
Args parts_args(Parse *p, Parts parts);
typedef enum AxesFor { AXES_SHAPE, AXES_LEFT, AXES_OVER } AxesFor;
Axes parts_axes(Parse *p, Parts parts, AxesFor use);

/* item_build.c: items, and definitions from them. */
Item *item_entry(Parse *p, Span at, Ident name, Parts parts);
Item *item_call(Parse *p, Tree *call);
Item *item_unknown(Parse *p, Ident word); /* parm x[n] = 0: says so, and is null */
Item *item_group(Parse *p, Span at, Ident name, Items items);
Item *item_param(Parse *p, Span at, Ref ref, bool random, Tree *value);
Item *item_state(Parse *p, Span at, Ref ref, Tree *value);
Item *item_define(Parse *p, Span at, Ref ref, bool next, Tree *value);
Item *item_scan(Parse *p, Span at, Ident index, Ident direction, Items items);
Item *item_pipe(Parse *p, Tree *value);
Item *item_const(Parse *p, Def *def);
Items items_append(Parse *p, Items to, Items more);
Head head_params(Parse *p, Span at, Head head, Formals params);
Head head_extends(Parse *p, Span at, Head head, Ident name);
Head head_inputs(Parse *p, Span at, Head head, Refs refs);
void def_braced(Parse *p, Span at, Ident kind, Ident name, Head head, Items items);
void def_add(Parse *p, Def *def);
Def *def_function(Parse *p, Span at, Ident name, Formals params, Tree *value, Trees derivative);
Def *def_const(Parse *p, Span at, Ident name, Tree *value);
void import_add(Parse *p, Tree *path);
#endif
