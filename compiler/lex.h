/* lex.h: the lexer as tokens.c sees it. */
#ifndef NETC_LEX_H
#define NETC_LEX_H
#include "parse.h"

typedef struct Lexer {
    Parse *p;
    int line, column;  /* of the next character, from 1 */
    size_t start, end; /* bytes of the last match */
    bool first;        /* a line began since this was last cleared */
} Lexer;

/* The next token, 0 at the end. `scanner` comes from lex_open. */
int lex_token(union YYSTYPE *value, Span *at, void *scanner);
void *lex_open(Lexer *x, const char *text, size_t n);
void lex_close(void *scanner);
#endif
