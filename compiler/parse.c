/* parse.c: text to tree: the entrance to the parser.
 *
 * Checks first that the text is UTF-8 without zero bytes, then parses; whatever errors there are,
 * the definitions that were understood are in the tree.
 */
#include "parse.h"
#include "parser.h"
#include <string.h>

enum { TEXT_LIMIT = 1 << 20 }; /* bytes */

/* The length of the UTF-8 sequence at s, 0 where there is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s, size_t n) {
    unsigned char c = s[0];
    if (c < 0x80) return 1;
    size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || length > n) return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) ||
        (c == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

/* Is the text fit for the lexer? Reports the first byte that is not. */
static bool check_text(Parse *p, const char *text, size_t n) {
    Span at = {p->source, 1, 1, 1, 2};
    if (n > TEXT_LIMIT) {
        diag_error(p->diags, (Span){.source = p->source}, "the file is larger than %d MB",
                   TEXT_LIMIT >> 20);
        return false;
    }
    for (size_t i = 0; i < n;) {
        size_t length = utf8_length((const unsigned char *)text + i, n - i);
        if (!length || !text[i]) {
            diag_error(p->diags, at, length ? "a zero byte: this is not a text"
                                            : "this is not UTF-8");
            return false;
        }
        at.column++;
        if (text[i] == '\n') {
            at.line++;
            at.column = 1;
        }
        at.end_line = at.line;
        at.end_column = at.column + 1;
        i += length;
    }
    return true;
}

/* Parses with p set up; false where the text was not even looked at. */
static bool parse(Parse *p, const char *name, const char *text, size_t n, bool expression) {
    p->source = source_new(p->arena, p->diags, name, text, n);
    if (!check_text(p, text, n)) return false;
    p->file = NEW(p->arena, File);
    p->file->source = p->source;
    p->tokens = tokens_new(p, expression);
    yyparse(p);
    tokens_free(p->tokens);
    return true;
}

File *parse_bytes(Arena *a, Diags *d, const char *file_name, const char *text, size_t n) {
    Parse p = {.arena = a, .diags = d};
    return parse(&p, file_name, text, n, false) ? p.file : NULL;
}

File *parse_text(Arena *a, Diags *d, const char *file_name, const char *text) {
    return parse_bytes(a, d, file_name, text, strlen(text));
}

Tree *parse_expression(Arena *a, Diags *d, const char *source_name, const char *text) {
    Parse p = {.arena = a, .diags = d};
    int errors = diags_errors(d);
    parse(&p, source_name, text, strlen(text), true);
    return diags_errors(d) == errors ? p.expr : NULL;
}

static bool has(const char *const *names, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name)) return true;
    return false;
}

/* Those of `names` worth telling: what can begin an expression is one thing, what can continue it
 * (operators, brackets) goes without saying. At most `limit`, else none; returns how many. */
static int worth_telling(const char *const *names, int n, const char **out, int limit) {
    static const char *const begins[] = {"a name", "a dotted name", "in",  "a number", "a string",
                                         "sum",    "max",           "not", "next",     "(",
                                         "'('",    "'-'",           "else"};
    static const char *const goes_on[] = {"'+'", "'-'", "'*'", "'/'", "'%'", "'^'", "'<'",
                                          "'>'", "'?'", "<=",  ">=",  "==",  "!=",  "and",
                                          "or",  "->",  "'@'", "...", "in",  "(",   "'['"};
    bool expression = has(names, n, "a number") && has(names, n, "'('");
    bool ended = !expression && (has(names, n, "'*'") || has(names, n, "->"));
    bool inside = has(names, n, "']'");
    int count = 0;
    if (expression) out[count++] = "an expression";
    for (int i = 0; i < n; i++) {
        if (expression && has(begins, COUNT_OF(begins), names[i])) continue;
        if ((expression || ended) && has(goes_on, COUNT_OF(goes_on), names[i])) continue;
        if (!strcmp(names[i], "SYNC") || (inside && !strcmp(names[i], "'='"))) continue;
        if (count == limit) return 0;
        out[count++] = names[i];
    }
    return count;
}

/* bison's 'x' and an alias x both become `x`; "a name" and the like stay. */
static const char *quoted(Parse *p, const char *name) {
    if (strchr(name, ' ')) return name;
    if (name[0] == '\'') return arena_printf(p->arena, "`%c`", name[1]);
    return arena_printf(p->arena, "`%s`", name);
}

/* "expected `)` or `,`, found `x`" */
static const char *syntax_message(Parse *p, const char *const *names, int n) {
    enum { TOLD = 4, SHOWN = 40 };
    const char *told[TOLD + 1], *last = tokens_last(p->tokens);
    const char *found = !last                   ? "the end of the file"
                        : strlen(last) <= SHOWN ? arena_printf(p->arena, "`%s`", last)
                                                : "this";
    if (!last && has(names, n, "'}'")) return "expected `}`, found the end of the file";
    int count = worth_telling(names, n, told, TOLD);
    if (!count) return arena_printf(p->arena, "%s has no place here", found);
    Text t = {.arena = p->arena};
    for (int i = 0; i < count; i++)
        text_add(&t, "%s%s", !i ? "expected " : i < count - 1 ? ", " : " or ", quoted(p, told[i]));
    text_add(&t, ", found %s", found);
    return t.at;
}

/* An error on another line than the bracket that is open may come from its not being closed. */
void parse_report(Parse *p, Span at, const char *const *expected, int n) {
    bool hopeless = tokens_hopeless(p->tokens);
    tokens_recover(p->tokens);
    if (hopeless) return;
    if (tokens_detached(p->tokens)) {
        diag_error(p->diags, at, "the parenthesis of a call stands right after its name");
        return;
    }
    Diag *g = diag_error(p->diags, at, "%s", syntax_message(p, expected, n));
    Span open;
    char bracket;
    if (!tokens_open(p->tokens, &open, &bracket) || open.line == at.line) return;
    if (bracket != '{' || !tokens_last(p->tokens))
        diag_note(p->diags, g, open, "this `%c` is not closed", bracket);
}
