/* tree.h: the syntax tree, what the parser makes of a .net file and the elaborator reads.
 *
 * The tree is the text without its spelling: no name is resolved, no shape known. It never says
 * whether a name is a layer, a value, a size or an index; the elaborator does. Printed by
 * tree_print, in the language's own syntax: printing what parses from a print gives the same text.
 *
 * One kind of expression, Tree, serves scalars, pipelines and entries of data sets alike.
 * From loosest to tightest:
 *     c ? a : b              (right)
 *     a -> b -> c            pipeline
 *     or, and, not           (in this order)
 *     == != < <= > >=        a <= b < c is a <= b and b < c
 *     + -
 *     sum(i, j) body         a reduction's body reaches to the next + - or looser operator
 *     * / %
 *     -a
 *     a ^ b                  (right)
 *     x  x[i, j]  x@n[i]  next x[i]  f(a, b = c)  (a)  (a, b)  3  0.5  "text"
 *
 * Line ends mean nothing but here: the parenthesis of a call stands right after its name, and the
 * body of max(a, b) or min(a, b), where it is a reduction over plain names, on the line of the `)`.
 */
#ifndef NETC_TREE_H
#define NETC_TREE_H
#include "front.h"

typedef struct Tree Tree;
typedef VEC(Tree *) Trees;
typedef struct Stmt Stmt;
typedef struct Def Def;
typedef VEC(Def *) Defs;

/* A name where it is declared or used as a key. text is null where the syntax leaves it out. */
typedef struct Ident {
    const char *text; /* may hold one dot: "batch.count" */
    Span span;
} Ident;
typedef VEC(Ident) Idents;

/* An argument, an entry's value: `3`, `pad = 1`, `else 0` (name "else"). */
typedef struct Arg {
    Span span;
    Ident name; /* text null: by position */
    Tree *value;
} Arg;
typedef VEC(Arg) Args;

/* An element of a bracket on a left side or in a shape, or of a reduction's parentheses:
 *     y            name                  in a shape of sizes: size is what counts
 *     y < e        name, limit
 *     i...         name, pack
 *     n in batch   name, set "batch"     reductions only; `p in params` likewise
 *     4 * n        name null, size       shapes only (param, state, on): the parser sees to it
 * In param, state and `on` shapes an element without limit is a size (`filters`, `4`), in `on` a
 * plain name that is not yet bound binds the axis's size; with limit (`g < 4`) it is an index that
 * the initial value may use, and limit is the size.
 */
typedef struct Axis {
    Span span;
    Ident name;
    Tree *limit;
    bool pack;
    Ident set;
    Tree *size; /* the element as an expression: never null but for `i...` and `n in batch` */
} Axis;
typedef VEC(Axis) Axes;

typedef enum TreeKind {
    TREE_NUMBER, /* 3, 0.5, 1e-8 */
    TREE_STRING, /* "train-images-idx3-ubyte" */
    TREE_NAME,   /* a name with what may hang on it: x, x[i, j], in@n[c, y], next h[u], in[i...] */
    TREE_PACK,   /* i..., in a read's brackets only */
    TREE_CALL,   /* f(a, b = c): a function, draw, layer, block, stop, inside, repeat ... */
    TREE_UNARY,  /* op a: - not */
    TREE_BINARY, /* a op b */
    TREE_COND,   /* c ? a : b */
    TREE_REDUCE, /* sum(c, i < k) [guard] body */
    TREE_PIPE,   /* a -> b -> c; two stages or more */
    TREE_TUPLE,  /* (a, b): several values, as the inputs of a stage; two or more */
    N_TREE_KINDS
} TreeKind;

/* Operators of UNARY and BINARY: name, text, precedence as above (larger binds tighter). */
#define TREE_OPS(X)      \
    X(OR, "or", 3)       \
    X(AND, "and", 4)     \
    X(NOT, "not", 5)     \
    X(EQ, "==", 6)       \
    X(NE, "!=", 6)       \
    X(LT, "<", 6)        \
    X(LE, "<=", 6)       \
    X(GT, ">", 6)        \
    X(GE, ">=", 6)       \
    X(ADD, "+", 7)       \
    X(SUB, "-", 7)       \
    X(MUL, "*", 9)       \
    X(DIV, "/", 9)       \
    X(MOD, "%", 9)       \
    X(NEG, "-", 10)      \
    X(POW, "^", 11)
typedef enum TreeOp {
#define X(name, text, precedence) TREE_##name,
    TREE_OPS(X)
#undef X
    N_TREE_OPS
} TreeOp;
extern const char *const tree_op_text[N_TREE_OPS];

/* The reductions, in the order of graph.h's REDUCES from SUM on. */
#define TREE_REDUCES(X) X(SUM, "sum") X(PROD, "prod") X(MAX, "max") X(MIN, "min") \
                        X(ARGMAX, "argmax") X(ARGMIN, "argmin")
typedef enum TreeReduce {
#define X(name, text) TREE_REDUCE_##name,
    TREE_REDUCES(X)
#undef X
    N_TREE_REDUCES
} TreeReduce;
extern const char *const tree_reduce_text[N_TREE_REDUCES];

enum { TREE_DEPTH = 1000 };

/* An expression. max(a, b) and min(a, b) of scalars are CALLs; with a body they are REDUCEs. */
struct Tree {
    TreeKind kind;
    Span span;
    bool parens; /* written in parentheses of its own */
    int depth;   /* of the tree below, itself included; at most TREE_DEPTH */
    union {
        struct {
            bool is_int;      /* no point and no exponent; fits a long */
            long i;           /* the value where is_int */
            double x;         /* the value, always */
            const char *text; /* as written */
        } num;
        const char *str;   /* STRING, without quotes and escapes */
        struct {
            Ident id;      /* may hold one dot: batch.count, data.mean */
            bool next;     /* next x: the new value of a state */
            Tree *sample;  /* n of in@n, or null */
            bool indexed;  /* has brackets */
            Trees index; /* may hold PACKs */
        } name;            /* NAME */
        Ident pack;        /* PACK */
        struct {
            Ident id;
            Args args;
        } call;            /* CALL */
        struct {
            TreeOp op;
            Tree *a, *b;   /* b null in UNARY */
        } op;
        struct {
            Tree *test, *yes, *no;
        } cond;
        struct {
            TreeReduce kind;
            Axes over;
            Tree *guard;   /* the term is absent where it is false; or null */
            Tree *body;
        } reduce;
        Trees list;  /* PIPE: the stages; TUPLE: the elements */
    };
};

typedef enum StmtKind {
    STMT_PARAM,  /* param K[f, C, k] ~ normal(0, 1)   param b[n] = 0 */
    STMT_STATE,  /* state h[n] = 0; each of a comma list is a statement of its own */
    STMT_DEFINE, /* out[f, y < H] = value, mu = value, next h[u] = value */
    STMT_SCAN,   /* scan t { ... }, scan t backward { ... } */
    N_STMT_KINDS
} StmtKind;
typedef VEC(Stmt *) Stmts;

/* A statement in the body of a layer, loss, optimizer or block. */
struct Stmt {
    StmtKind kind;
    Span span;
    Ident name;    /* what is declared or defined; SCAN: the index */
    bool next;     /* DEFINE: next NAME */
    bool indexed;  /* has brackets */
    Axes axes;     /* PARAM, STATE: the shape; DEFINE: the indices, each with a name */
    bool random;   /* PARAM: `~`, the value is a distribution, drawn for each element */
    Tree *value;   /* PARAM, STATE: the initial value; DEFINE */
    bool backward; /* SCAN: from the last index to the first */
    Stmts body;    /* SCAN */
};

/* A parameter of a definition, `k` or `stride = 1`; a default may name earlier parameters. One
 * with arguments, `init(fan_in, fan_out) = f`, takes an expression over them, or a function. */
typedef struct Formal {
    Span span;
    Ident name;
    bool call;        /* has arguments of its own */
    Idents args;      /* them */
    Tree *value;      /* the default, or null */
} Formal;
typedef VEC(Formal) Formals;

/* An input in `on in[C, H, W], label`: its shape; no brackets: a scalar. */
typedef struct Input {
    Span span;
    Ident name;
    bool indexed;
    Axes axes; /* sizes; `S...` binds a pack of sizes */
} Input;
typedef VEC(Input) Inputs;

/* An entry of a data set or of `train { }`: `batch 128`, `classes "shirt", "boot"`, `clip(1)`,
 * `optimizer rule(lr = 0.1)` (one argument, a CALL or a PIPE). `batch 128` is `batch(128)`. */
typedef struct Entry {
    Span span;
    Ident name;
    bool call; /* written name(args) */
    Args args; /* at least one, unless written name() */
} Entry;
typedef VEC(Entry) Entries;

typedef enum DefKind {
    DEF_NET,       /* net b extends a { ... } */
    DEF_LAYER,     /* layer name(params) on in[C, H] { ... } */
    DEF_LOSS,      /* loss name(params) on in[K], label { ... out = ... } */
    DEF_BLOCK,     /* block name(params) { y = in -> ...   out = y + in } or { a -> b } */
    DEF_FUNCTION,  /* increasing function name(x, a = 1) = value derivative e, ... */
    DEF_OPTIMIZER, /* optimizer name(params) { state ... next w = ... } */
    DEF_DATA,      /* data name { format idx ... } */
    DEF_CONST,     /* const name = value; -D name=value replaces the value */
    N_DEF_KINDS
} DefKind;
extern const char *const def_kind_names[N_DEF_KINDS]; /* "net", "layer", ... as written */

/* A definition. Members that its kind has no use for are zero. */
struct Def {
    DefKind kind;
    Span span;
    Ident name;
    Formals params;     /* LAYER, LOSS, BLOCK, FUNCTION, OPTIMIZER */
    bool has_on;        /* LAYER, LOSS, BLOCK: `on` is written */
    Inputs inputs;      /* what it says; without it the one input is `in`, of any shape */
    Stmts body;         /* LAYER, LOSS, OPTIMIZER; BLOCK: DEFINEs without indices */
    Tree *value;        /* FUNCTION, CONST; BLOCK: the pipeline that ends it, or null
                           where the body defines `out` */
    bool increasing;    /* FUNCTION: never falls where its argument rises */
    Trees derivative;   /* FUNCTION: by parameter, in order; over the parameters and `out` */
    Entries entries;    /* DATA */

    /* NET; what extends another has null or none where it says nothing. */
    Ident extends;      /* text null: none */
    Defs consts;        /* const name = value, in the net's own scope */
    Stmts values;       /* name = pipeline, in order: DEFINEs without indices */
    Args defaults;      /* default init = f, ...: for each layer that has such a parameter, where
                           no argument says otherwise */
    Tree *data;         /* data name -> f(32): the data set, and what is done to a sample */
    Tree *model;        /* a pipeline; its first stage takes the net's input, or is a value */
    Tree *loss;         /* a loss, or a sum of them with factors: a + 0.5 * b(mu, sigma) */
    Entries train;      /* train { optimizer ...  batch 128 ... } */
};

typedef struct Import {
    Span span; /* of the string */
    const char *path;
} Import;

struct File {
    const Source *source;
    VEC(Import) imports;
    Defs defs;
};

/* An expression alone, for -D name=value; null where it has errors. */
Tree *parse_expression(Arena *a, Diags *d, const char *source_name, const char *text);

/* In the language's own syntax. */
void tree_print(Text *t, const File *f);
void tree_print_def(Text *t, const Def *d);
void tree_print_expr(Text *t, const Tree *e);
#endif
