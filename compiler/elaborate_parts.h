/* elaborate_parts.h: what the files of the elaborator share. For elaborate*.c only.
 *
 * A net is elaborated once per graph, always in the same order, so that layers are numbered and
 * random draws get their sites alike in each; the first time, for training, declares what is
 * stored and fills the table of layers.
 *
 * Names are resolved in scopes. What an argument stands for is kept as text with the scope it was
 * written in, and is read as what its use asks for: a size (where / is floor), a number (where it
 * divides), a condition, a distribution.
 */
#ifndef NETC_ELABORATE_PARTS_H
#define NETC_ELABORATE_PARTS_H
#include "elaborate.h"
#include "tree.h"

typedef struct Elab Elab;
typedef struct Scope Scope;
typedef struct Comp Comp;
typedef struct Index Index;
typedef VEC(Index *) Indices;
typedef VEC(Var *) Vars;

/* --- limits: what is refused with a diagnostic instead of exhausting the machine --- */
enum {
    ELAB_NODES = 100000, /* in one graph */
    ELAB_STAGES = 5000,  /* layers applied in one net */
    ELAB_DEPTH = 200,    /* blocks, functions and arguments within each other */
    ELAB_WORK = 20000000 /* expressions looked at */
};
#define ELAB_ELEMENTS 2147483647L /* of a tensor */

/* --- what names stand for --- */

/* A tensor as the language sees it: without the axes of the sample and of the scan's step. */
typedef struct Tensor {
    Node *node;
    int rank;
    long shape[MAX_RANK];
    bool stepped; /* the node has the step of the scan around it as an axis, after the samples */
} Tensor;
typedef VEC(Tensor *) Tensors;

typedef enum BindKind {
    BIND_BAD,     /* after an error that was reported: no other follows from it */
    BIND_TENSOR,  /* tensor */
    BIND_STATE,   /* tensor: the old value; next: the new one, once it is defined */
    BIND_ELEMENT, /* an optimizer's w, grad, states: tensor, at the variables `at` */
    BIND_INDEX,   /* index */
    BIND_SIZE,    /* size */
    BIND_SIZES,   /* tensor->rank, ->shape: a pack of sizes */
    BIND_ARG,     /* tree, in scope `in` */
    BIND_VALUE,   /* value: a number that is known already */
    BIND_ALL      /* `all` of sum(all) */
} BindKind;

typedef struct Bind {
    BindKind kind;
    const char *name;
    Span span;
    Tensor *tensor, *next;
    Stored *stored; /* STATE of a layer */
    bool defined;   /* STATE: its next value was */
    Var **at;
    Index *index;
    long size;
    Tree *tree;
    Scope *in;
    const Idents *formals; /* ARG: names that the argument may use besides */
    Expr *value;
    bool busy; /* ARG: being evaluated */
    bool used;
} Bind;

typedef VEC(Bind *) Binds;

struct Scope {
    Scope *up;
    Binds binds;
    bool library; /* names of definitions are looked up in the library alone */
};

/* --- indices --- */

/* An index of a comprehension, or a pack of them. */
struct Index {
    const char *name;
    Span span;
    bool pack, batch;
    bool written;  /* its range is */
    int n;         /* 1; a pack's: -1 until it is known */
    Var *var[MAX_RANK];
    long extent[MAX_RANK]; /* -1: not yet known */
    const char *from[MAX_RANK]; /* what fixed the extent, for messages */
};

/* --- a comprehension under construction --- */
struct Comp {
    Elab *e;
    Graph *g;
    const char *name;  /* of the tensor; parts of it are named after it */
    Var *batch;        /* the sample's; null where there are no samples */
    Var *step;         /* the scan's; or null */
    bool backward;     /* the scan's direction */
    Vars vars;         /* batch, step, indices, then those of the reductions around */
    Vars lhs;          /* the indices of the left side; the step may be one */
    Map *indices;      /* Axis of a reduction -> Index */
    Expr *tests;       /* bounds that reads so far need */
    bool may_leave;    /* inside a reduction, or inside(...): a read may be outside */
    bool dry;          /* ranges are being inferred: no node, no site */
    bool initial;      /* an initial value: it reads no tensor */
    bool plain;        /* in a derivative clause: functions have none of their own */
};

/* A comprehension that is no node yet. */
typedef struct Term {
    Reduce reduce;
    Type type;
    Vars rvars;
    Expr *guard, *body, *init;
    const char *name;  /* what it is, to name its node */
    Span span;         /* of a reduction */
    const Def *custom; /* a function with a derivative of its own, */
    Scope *scope;      /* and its arguments */
    bool increasing;
} Term;

/* What an expression came to: nothing (after an error), an expression, or a term. */
typedef struct Val {
    Expr *e;
    Term *term;
} Val;

/* --- the whole --- */

/* What is being applied, for notes under diagnostics. */
typedef struct Frame {
    struct Frame *up;
    const Def *def;
    Span span;
    const char *inputs; /* "in[K] = [10]", or null */
} Frame;

typedef VEC(const Source *) Sources;

struct Elab {
    Arena *arena;
    Diags *diags;
    Program *program;
    Pool *pool;
    const ElabOptions *options;
    Sources library; /* the prelude's files */
    Sources files;   /* main and what it imports */
    Defs library_defs, defs;
    Scope *root;     /* constants */

    Graph *g; /* the graph under construction */
    bool first;    /* the training graph, elaborated first */
    bool training;
    int site;      /* draws so far */
    int stages;
    Map *counts;   /* of layers, by name */
    Var *step;     /* of the scan around; or null */
    bool backward;
    const char *instance; /* "dense1": the layer being elaborated */
    const char *where;    /* its node->layer */
    bool stateless; /* preprocessing: nothing may be stored */
    Frame *frame;
    int depth;
    long work;
    bool stopped;  /* a limit was passed */
    Map *stored;   /* by name */
    Map *sites;    /* by a stored tensor's name: the draws up to the end of its initial value */
    Map *instances; /* names of layers that are taken */
    VEC(Stored *) states; /* of layers */
    Binds defaults;
    int own_defaults; /* the first of them: what the net itself says, not what it extends */
    bool rows;     /* layers go into the table */
    bool in_loss;  /* for messages */
    long parameters; /* so far */
    Tensor *label; /* null where there is none */

    /* while the rule of training is elaborated */
    Stored **param; /* the trained parameters */
    Node **grad;    /* their gradients, as this stage is given them */
    Node **changed; /* and as it leaves them; or their new values */
    int n_params;
    Map *sums;      /* what is one number for all parameters: text -> Expr */
};

/* elaborate_names.c */
Diag *elab_error(Elab *e, Span at, const char *format, ...) PRINTF_LIKE(3, 4);
bool elab_stop(Elab *e, Span at, const char *what); /* a limit: one error, then silence */
bool elab_work(Elab *e, Span at); /* counts a step; false when there were too many */
Scope *scope_new(Elab *e, Scope *up);
Scope *scope_of(Elab *e, const Def *d); /* around the text of a definition */
Bind *scope_bind(Elab *e, Scope *s, BindKind kind, const char *name, Span span);
Bind *scope_find(Scope *s, const char *name);
bool is_taken(Elab *e, Scope *s, Ident name); /* by another in this scope: an error */
void bind_tensor(Elab *e, Scope *s, Ident name, Tensor *t); /* null: bad */
Bind *bind_index(Elab *e, Scope *s, Index *i);
typedef enum DefSpace {
    SPACE_STAGE, /* layers, losses, blocks, functions */
    SPACE_FUNCTION,
    SPACE_OPTIMIZER,
    SPACE_DATA,
    SPACE_NET
} DefSpace;
const Def *find_def(Elab *e, const Scope *s, DefSpace space, const char *name);
void unknown_name(Elab *e, Scope *s, Ident name); /* of a value */
void unknown_def(Elab *e, const Scope *s, DefSpace space, Ident name, const char *what);
/* Binds a definition's parameters in `to`; the arguments were written in `from`. With `first`, that
 * is the first parameter's value. */
bool bind_args(Elab *e, Scope *to, const Def *d, const Args *args, Scope *from, Span at,
               Expr *first);
const char *shape_text(Arena *a, int rank, const long *shape); /* "[1, 28, 28]" */
const char *axes_text(Arena *a, const Axes *axes);              /* "[C, H, W]" */
bool enter(Elab *e, Frame *f, const Def *d, Span at); /* false: recursion, reported */
void leave(Elab *e, Frame *f);

/* elaborate_index.c: integers and conditions */
Expr *index_expr(Comp *c, Scope *s, Tree *t);  /* I32; null after an error */
bool size_expr(Elab *e, Scope *s, Tree *t, long *size); /* a size: 1 .. ELAB_ELEMENTS */
bool const_int(Elab *e, Scope *s, Tree *t, long *value);
Expr *cond_expr(Comp *c, Scope *s, Tree *t);   /* BOOL */
bool is_integral(Elab *e, Scope *s, Tree *t);  /* may it be read as an integer? */
bool is_condition(Elab *e, Scope *s, Tree *t);
bool is_int_valued(Elab *e, Scope *s, Tree *t); /* integral, and from an integer tensor or draw */
Expr *var_expr(Comp *c, Var *v); /* the variable even where it has one value only */

/* elaborate_range.c */
Index *index_new(Elab *e, const Axis *a);
bool infer_ranges(Comp *c, Scope *s, Index **lhs, int n_lhs, Tree *value);

/* elaborate_value.c: floats */
Val value_of(Comp *c, Scope *s, Tree *t);
Expr *value_expr(Comp *c, Scope *s, Tree *t);    /* F32 or F64; null after an error */
Expr *element_expr(Comp *c, Scope *s, Tree *t);  /* rounded to F32 */
Expr *number_expr(Comp *c, Scope *s, Tree *t);   /* F64: may depend on no tensor */
Expr *int_to_float(Comp *c, Expr *e);
Expr *to_f32(Comp *c, Expr *e);
Expr *float_op(Comp *c, Op op, Expr *a, Expr *b); /* after rounding what has to be */
Expr *reduce_index(Comp *c, Scope *s, Tree *t);  /* argmax, argmin */
bool depends_on_training(Elab *e, Scope *s, Tree *t);
Val val(Expr *e);

/* elaborate_read.c */
/* The tensor that a name reads, its shape as the subscripts see it; null: an error. */
Tensor *read_tensor(Comp *c, Scope *s, Tree *t, Tensor *flat);
Expr *read_name(Comp *c, Scope *s, Tree *t);     /* an element, of the tensor's type */

/* elaborate_call.c */
Val call_value(Comp *c, Scope *s, Tree *t);
Expr *draw_expr(Comp *c, Scope *s, Tree *t, Draw kind);
int find_draw(const char *name); /* -1: none */
int find_op(const char *name);   /* exp, max ...; -1: none */
bool is_builtin(const char *name);
/* The function of arguments that are bound in `args` already. */
Val apply_function(Comp *c, const Def *d, Scope *args, Span at);
bool bind_values(Comp *c, Scope *args, Scope *from); /* evaluates those written in `from` */

/* elaborate_node.c */
Comp *comp_new(Elab *e, const char *name, bool samples);
void comp_lhs(Comp *c, Var *v);
Term *term_new(Comp *c, Reduce reduce, Type type, const char *name);
Val val_term(Term *t);
Expr *val_expr(Comp *c, Val v);      /* a term becomes a node of its own */
Val val_add(Comp *c, Val a, Val b);
Tensor *comp_finish(Comp *c, Val v, Type type, Span at); /* over all of the left side */
void comp_fill(Comp *c, Node *n, Val v, Span at); /* the same, for a node made before */
Node *make_node(Elab *e, Graph *g, const char *name, Type type, Var *const *dims, int n, Span at);
Tensor *tensor_of(Elab *e, Node *n);

/* elaborate_layer.c */
bool layer_body(Elab *e, const Def *d, Scope *s);

/* elaborate_stored.c */
Stored *declare(Elab *e, StoredKind kind, const char *name, int rank, const long *shape);
/* The sizes of a shape, and the indices over it, bound in `in` where they have names. */
bool shape_of(Elab *e, Scope *s, Scope *in, const Axes *axes, Tensor *shape, Indices *indices);
/* The node of the initial value in the graph init; the parameter's or state's shape is given. */
void initialize(Elab *e, Scope *s, Tree *value, Stored *stored, const Indices *indices);
void declare_stored(Elab *e, Scope *s, const Stmt *st);

/* elaborate_scan.c */
void scan_body(Elab *e, Scope *s, const Stmt *st);
/* A definition in a layer; `outer` gets what is indexed by the step itself. */
void define(Elab *e, Scope *s, Scope *outer, const Stmt *st);

/* elaborate_net.c */
Tensor *pipeline(Elab *e, Scope *s, Tree *t, Tensor *in);
const char *instance_of(Elab *e, const char *name); /* "dense1" */

/* elaborate_optimizer.c */
void optimize(Elab *e, Scope *s, Tree *rule);
void check_rule(Elab *e, Scope *s, Tree *rule); /* are its stages optimizers? */
Val optimizer_sum(Comp *c, Scope *s, Tree *t); /* sum(w) and sum(all) */
bool is_optimizer_sum(Scope *s, Tree *t);

/* elaborate_data.c */
bool read_data(Elab *e, const Def *d);
Tree *read_training(Elab *e, Scope *s, const Def *net); /* its optimizer */

/* elaborate_program.c */
void build_program(Elab *e, const Def *net);
#endif
