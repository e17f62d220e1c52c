/* tokens.c: between lexer and parser, what depends on the tokens around.
 *
 * A parenthesis right after a name is the token CALL. The `)` of max(...) or min(...) is CLOSE_HEAD
 * where a reduction's body follows: an expression begins on the same line, or on another and the
 * parentheses hold what only a reduction has, a range or a pack. After a syntax error tokens are
 * skipped up to where an item or definition seems to begin, by line ends, indentation and braces,
 * and the parser gets SYNC.
 */
#include "lex.h"
#include "parser.h"
#include <limits.h>
#include <string.h>

enum { BRACKETS = 500 }; /* open at once */

typedef struct Token {
    int kind;
    YYSTYPE value;
    Span at;
    size_t start, end; /* bytes */
    bool first;        /* on its line */
    bool known;        /* classify has seen it */
    bool closes;       /* a } that closes a brace */
} Token;

/* An open bracket. */
typedef struct Open {
    char bracket;  /* ( [ { */
    bool extremum; /* of max( or min( */
    bool ranges;   /* a < or ... or in was seen directly within */
    Span at;
} Open;

struct Tokens {
    Parse *p;
    Lexer lexer;
    void *scanner;
    int start;      /* the token that chooses the grammar, or 0 once it was given */
    Token ahead[2]; /* read before their turn; the last comes first */
    int n_ahead;
    Token last;     /* what the parser got last */
    Token before;   /* and before that */
    VEC(Open) open;
    int braces;     /* open ones */
    int indent;     /* column where the present item's line begins; INT_MAX after a { */
    bool recover;   /* the parser found an error in `last` */
    size_t synced;  /* the byte after which it last went on */
    bool hopeless;
};

static const char *const def_words[] = {"net",  "layer",    "loss",   "block", "optimizer",
                                        "data", "function", "import", "const", "increasing"};

bool is_def_word(const char *text) {
    for (int i = 0; i < COUNT_OF(def_words); i++)
        if (!strcmp(text, def_words[i])) return true;
    return false;
}

Tokens *tokens_new(Parse *p, bool expression) {
    Tokens *t = NEW(p->arena, Tokens);
    t->p = p;
    t->lexer = (Lexer){.p = p, .line = 1, .column = 1, .first = true};
    t->scanner = lex_open(&t->lexer, p->source->text, p->source->n);
    t->start = expression ? START_EXPRESSION : START_FILE;
    t->indent = INT_MAX;
    return t;
}

void tokens_free(Tokens *t) {
    lex_close(t->scanner);
}

static Token read_token(Tokens *t) {
    Token k;
    if (t->n_ahead) return t->ahead[--t->n_ahead];
    memset(&k, 0, sizeof k);
    k.kind = lex_token(&k.value, &k.at, t->scanner);
    if (!k.kind) {
        int line = t->lexer.line, column = t->lexer.column;
        k.at = (Span){t->p->source, line, column, line, column};
        t->lexer.start = t->lexer.end;
    }
    k.start = t->lexer.start;
    k.end = t->lexer.end;
    k.first = t->lexer.first;
    t->lexer.first = false;
    return k;
}

static void push_back(Tokens *t, Token k) {
    if (t->n_ahead == COUNT_OF(t->ahead)) die("too many tokens pushed back");
    t->ahead[t->n_ahead++] = k;
}

static bool begins_expression(int kind) {
    return kind == NAME || kind == DOTTED || kind == IN || kind == NUMBER || kind == STRING ||
           kind == REDUCE || kind == EXTREMUM || kind == NEXT || kind == '(' || kind == '[';
}

/* Is what follows the `)` of max(...) its body? */
static bool body_follows(Tokens *t, const Open *o) {
    Token k = read_token(t);
    push_back(t, k);
    return begins_expression(k.kind) && (o->ranges || !k.first);
}

static bool callable(int kind) {
    return kind == NAME || kind == REDUCE || kind == EXTREMUM;
}

static void open_bracket(Tokens *t, const Token *k) {
    char bracket = k->kind == CALL ? '(' : (char)k->kind;
    bool extremum = k->kind == CALL && t->last.kind == EXTREMUM;
    PUSH(t->p->arena, t->open, ((Open){bracket, extremum, false, k->at}));
    t->braces += bracket == '{';
}

/* A closing bracket closes the nearest that fits; those within were left open. A `}` that fits
 * none, and others that would leave a brace, close nothing. */
static Open close_bracket(Tokens *t, char opening) {
    for (int i = t->open.n - 1; i >= 0; i--) {
        Open o = t->open.at[i];
        if (o.bracket == opening) {
            t->open.n = i;
            t->braces -= opening == '{';
            return o;
        }
        if (o.bracket == '{') break;
    }
    return (Open){0};
}

/* Counts brackets, and finds the kinds that depend on them. */
static void classify(Tokens *t, Token *k) {
    if (k->known) return;
    k->known = true;
    switch (k->kind) {
    case '(':
        if (callable(t->last.kind) && t->last.end == k->start) k->kind = CALL;
        open_bracket(t, k);
        break;
    case '[':
    case '{':
        open_bracket(t, k);
        break;
    case ')': {
        Open o = close_bracket(t, '(');
        if (o.extremum && body_follows(t, &o)) k->kind = CLOSE_HEAD;
        break;
    }
    case ']':
        close_bracket(t, '[');
        break;
    case '}':
        k->closes = close_bracket(t, '{').bracket;
        break;
    case '<':
    case DOTS:
    case IN:
        if (t->open.n && (k->kind != IN || t->last.kind == NAME))
            t->open.at[t->open.n - 1].ranges = true;
        break;
    }
    if (t->open.n <= BRACKETS) return;
    diag_error(t->p->diags, k->at, "more than %d brackets are open here", BRACKETS);
    k->kind = 0;
    t->hopeless = true;
}

/* May the parser go on with k after an error? Never twice with one token: errors come to an end. */
static bool sync_point(const Tokens *t, const Token *k) {
    if (!k->kind || k->kind == '{') return true;
    if (k->start < t->synced) return false;
    if (k->kind == '}') return k->closes;
    if (!k->first) return false;
    if (!t->braces)
        return k->kind == FUNCTION || k->kind == INCREASING || k->kind == CONST ||
               k->kind == IMPORT || (k->kind == NAME && is_def_word(k->value.ident.text));
    return k->at.column <= t->indent &&
           (k->kind == NAME || k->kind == IN || k->kind == PARAM || k->kind == STATE ||
            k->kind == NEXT || k->kind == SCAN || k->kind == CONST);
}

/* Brackets other than braces: they belong to what was skipped. */
static void forget_brackets(Tokens *t) {
    int n = 0;
    for (int i = 0; i < t->open.n; i++)
        if (t->open.at[i].bracket == '{') t->open.at[n++] = t->open.at[i];
    t->open.n = n;
}

static int give(Tokens *t, const Token *k, YYSTYPE *value, Span *at) {
    t->before = t->last;
    t->last = *k;
    *value = k->value;
    *at = k->at;
    return k->kind;
}

/* The first token after an error: SYNC, or a brace. */
static int resume(Tokens *t, YYSTYPE *value, Span *at) {
    Token k = t->last;
    t->recover = false;
    while (!sync_point(t, &k)) {
        t->last = k;
        k = read_token(t);
        classify(t, &k);
    }
    forget_brackets(t);
    if (k.kind == '{') {
        t->indent = INT_MAX;
        return give(t, &k, value, at);
    }
    if (!k.kind) t->hopeless = true;
    t->synced = k.start + 1;
    push_back(t, k);
    *at = k.at;
    return SYNC;
}

int tokens_next(Tokens *t, YYSTYPE *value, Span *at) {
    if (t->start) {
        int start = t->start;
        t->start = 0;
        *at = (Span){t->p->source, 1, 1, 1, 1};
        return start;
    }
    if (t->recover) return resume(t, value, at);
    Token k = read_token(t);
    classify(t, &k);
    if (k.first) t->indent = k.at.column;
    if (k.kind == '{') t->indent = INT_MAX;
    return give(t, &k, value, at);
}

/* At a brace there is nothing to skip: the parser takes it, and what it holds, after any error. */
void tokens_recover(Tokens *t) {
    t->recover = t->last.kind != '{';
}

const char *tokens_last(const Tokens *t) {
    const Token *k = &t->last;
    if (!k->kind) return NULL;
    return arena_strndup(t->p->arena, t->p->source->text + k->start, k->end - k->start);
}

bool tokens_detached(const Tokens *t) {
    return t->last.kind == '(' && callable(t->before.kind) && !t->last.first;
}

bool tokens_open(const Tokens *t, Span *at, char *bracket) {
    if (!t->open.n) return false;
    *at = t->open.at[t->open.n - 1].at;
    *bracket = t->open.at[t->open.n - 1].bracket;
    return true;
}

bool tokens_hopeless(const Tokens *t) {
    return t->hopeless;
}
