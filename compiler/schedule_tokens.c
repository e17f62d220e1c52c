/* schedule_tokens.c: the tokens of a schedule's text, and complaints about them. */
#include "schedule_parse.h"
#include <ctype.h>
#include <limits.h>
#include <string.h>

static bool is_name_part(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

static size_t token_length(const char *s) {
    size_t n = 1;
    if (isdigit((unsigned char)*s)) {
        while (is_name_part(s[n])) n++;
    } else if (is_name_part(*s)) {
        while (is_name_part(s[n]) || (s[n] == '.' && is_name_part(s[n + 1]))) n++;
    } else {
        while (((unsigned char)s[n] & 0xc0) == 0x80) n++; /* one character */
    }
    return n;
}

/* The number that the token is, or -1: none, or one beyond all sizes. */
static long number_of(const char *s, size_t n) {
    long x = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)s[i])) return -1;
        x = 10 * x + (s[i] - '0');
        if (x > INT_MAX) return -1;
    }
    return x;
}

static bool add_token(ScheduleParse *p, const char *s, size_t n, Span span, bool first) {
    Token t = {.text = arena_strndup(p->arena, s, n), .span = span, .first = first};
    if (isdigit((unsigned char)*s)) {
        t.kind = TOKEN_NUMBER;
        t.number = number_of(s, n);
        if (t.number < 0)
            diag_error(p->diags, span, "`%s` is no number that a size can be", t.text);
    } else {
        t.kind = is_name_part(*s) ? TOKEN_NAME : TOKEN_SIGN;
        if (t.kind == TOKEN_SIGN && !strchr("{}/%:+=", *s)) {
            bool printable = isprint((unsigned char)*s) || ((unsigned char)*s & 0x80);
            diag_error(p->diags, span, printable ? "no schedule has a `%s`" : "a stray character",
                       t.text);
            return false;
        }
    }
    PUSH(p->arena, p->token, t);
    return true;
}

void sp_tokenize(ScheduleParse *p, const Source *source) {
    int line = 1, column = 1;
    bool first = true;
    for (const char *s = source->text; *s;) {
        if (*s == '#') {
            while (*s && *s != '\n') s++;
        } else if (*s == '\n') {
            s++, line++, column = 1, first = true;
        } else if (isspace((unsigned char)*s)) {
            s++, column++;
        } else {
            size_t n = token_length(s);
            int wide = is_name_part(*s) ? (int)n : 1;
            first &= !add_token(p, s, n, (Span){source, line, column, line, column + wide}, first);
            s += n, column += wide;
        }
    }
    Token end = {TOKEN_END, "", 0, true, {source, line, column, line, column + 1}};
    PUSH(p->arena, p->token, end);
}

const Token *sp_now(const ScheduleParse *p) {
    return &p->token.at[p->at];
}

const Token *sp_next(ScheduleParse *p) {
    const Token *t = sp_now(p);
    if (t->kind != TOKEN_END) p->at++;
    return t;
}

bool sp_is(const Token *t, const char *word) {
    return t->kind != TOKEN_END && !strcmp(t->text, word);
}

bool sp_accept(ScheduleParse *p, const char *word) {
    if (!sp_is(sp_now(p), word)) return false;
    sp_next(p);
    return true;
}

/* --- complaints --- */

bool sp_expected(ScheduleParse *p, const char *what) {
    const Token *t = sp_now(p);
    if (t->kind == TOKEN_END) diag_error(p->diags, t->span, "expected %s, found the end", what);
    else diag_error(p->diags, t->span, "expected %s, found `%s`", what, t->text);
    return false;
}

bool sp_expect(ScheduleParse *p, const char *sign, const char *what) {
    return sp_accept(p, sign) || sp_expected(p, what);
}

bool sp_name(ScheduleParse *p, const char *what, const Token **t) {
    if (sp_now(p)->kind != TOKEN_NAME) return sp_expected(p, what);
    *t = sp_next(p);
    return true;
}

bool sp_number(ScheduleParse *p, const char *what, long *x) {
    if (sp_now(p)->kind != TOKEN_NUMBER) return sp_expected(p, what);
    const Token *t = sp_next(p);
    *x = t->number;
    if (t->number == 0) diag_error(p->diags, t->span, "%s must be at least 1", what);
    return t->number > 0;
}

const char *sp_hint(ScheduleParse *p, const char *name, Names *names) {
    return did_you_mean(p->diags, name, names->at, names->n);
}

/* --- names --- */

Node *sp_find(const Graph *g, const char *name) {
    for (int i = 0; i < g->nodes.n; i++)
        if (!strcmp(g->nodes.at[i]->name, name)) return g->nodes.at[i];
    return NULL;
}

void sp_node_names(ScheduleParse *p, Names *names, bool computed) {
    for (int i = 0; p->graph && i < p->graph->nodes.n; i++)
        if (!computed || p->graph->nodes.at[i]->kind == NODE_COMP)
            PUSH(p->arena, *names, p->graph->nodes.at[i]->name);
}

Node *sp_node(ScheduleParse *p, const Token *t, bool computed) {
    Node *n = sp_find(p->graph, t->text);
    if (n && computed && n->kind != NODE_COMP) {
        diag_error(p->diags, t->span, "%s is given, not computed", t->text);
        return NULL;
    }
    if (n) return n;
    Names names = {0};
    sp_node_names(p, &names, computed);
    diag_error(p->diags, t->span, "%s computes no `%s`%s", p->graph->name, t->text,
               sp_hint(p, t->text, &names));
    return NULL;
}
