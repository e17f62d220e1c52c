/* parser.y: the grammar. Actions only call *_build.c; docs/language.md explains the constructs.
 *
 * Words that begin definitions and items (net, layer, model, train ...) are plain names here, so
 * that they stay free for other uses; item_build.c knows them. After an error, tokens.c skips to
 * where an item or a definition seems to begin and says so by the token SYNC; a `{` stops it too.
 */
%require "3.8"
%define api.pure full
%define api.location.type {Span}
%define parse.lac full
%define parse.error custom
%locations
%expect 0
%parse-param {Parse *p}
%lex-param {Parse *p}

%code requires {
#include "parse.h"
}
%code provides {
/* A syntax error: what could have stood at `at`, as the names of tokens. */
void parse_report(Parse *p, Span at, const char *const *expected, int n);
}
%code {
#define YYLLOC_DEFAULT(now, right, n)                                              \
    ((now) = (n) ? span_join(YYRHSLOC(right, 1), YYRHSLOC(right, n)) : (Span){0})
#define ADD(list, x) PUSH(p->arena, list, x)

static int yylex(YYSTYPE *value, Span *at, Parse *p) {
    return tokens_next(p->tokens, value, at);
}
static void yyerror(Span *at, Parse *p, const char *message) {
    diag_error(p->diags, *at, "this is nested too deep");
}
}

%union {
    Ident ident;
    Idents idents;
    Tree *tree;
    Trees trees;
    TreeReduce reduce;
    Part part;
    Parts parts;
    Ref ref;
    Refs refs;
    Item *item;
    Items items;
    Head head;
    Formal formal;
    Formals formals;
    Inputs inputs;
    Def *def;
}

%token END 0 "the end of the file"
%token START_FILE START_EXPRESSION SYNC
%token <ident> NAME "a name" DOTTED "a dotted name" IN "in"
%token <tree> NUMBER "a number" STRING "a string"
%token <reduce> REDUCE "sum" EXTREMUM "max"
%token CALL "(" CLOSE_HEAD "a body"
%token ARROW "->" DOTS "..." EQ "==" NE "!=" LE "<=" GE ">="
%token IMPORT "import" CONST "const" FUNCTION "function" INCREASING "increasing"
%token DERIVATIVE "derivative" EXTENDS "extends" ON "on" PARAM "param" STATE "state"
%token NEXT "next" SCAN "scan" ELSE "else" AND "and" OR "or" NOT "not"

%left OR
%left AND
%precedence NOT
%left EQ NE '<' LE '>' GE
%left '+' '-'
%precedence BODY /* of a reduction */
%left '*' '/' '%'
%precedence NEGATIVE
%right '^'

%type <ident> word
%type <tree> value stages pipe expr primary call sample guard
%type <trees> derivative values
%type <part> part setting
%type <parts> parts part_list settings
%type <ref> ref element
%type <refs> refs
%type <item> item state
%type <items> items states
%type <head> head
%type <formal> formal
%type <formals> formals formal_list
%type <idents> names
%type <def> const function
%%
start
    : START_FILE defs
    | START_EXPRESSION value              { p->expr = $2; }
    ;
defs
    : %empty
    | defs def
    ;
def
    : NAME NAME head '{' items '}'        { def_braced(p, @$, $1, $2, $3, $5); }
    | function                            { def_add(p, $1); }
    | INCREASING function                 { $2->increasing = true; def_add(p, $2); }
    | const                               { def_add(p, $1); }
    | IMPORT STRING                       { import_add(p, $2); }
    | error SYNC                          { yyerrok; }
    | error '{' { yyerrok; } items '}'
    ;
head
    : %empty                              { $$ = (Head){0}; }
    | head CALL formals ')'               { $$ = head_params(p, @3, $1, $3); }
    | head EXTENDS NAME                   { $$ = head_extends(p, @2, $1, $3); }
    | head ON refs                        { $$ = head_inputs(p, @2, $1, $3); }
    ;
formals
    : %empty                              { $$ = (Formals){0}; }
    | formal_list
    ;
formal_list
    : formal                              { $$ = (Formals){0}; ADD($$, $1); }
    | formal_list ',' formal              { $$ = $1; ADD($$, $3); }
    ;
formal
    : NAME                                { $$ = (Formal){@$, $1, false, {0}, NULL}; }
    | NAME '=' value                      { $$ = (Formal){@$, $1, false, {0}, $3}; }
    | NAME CALL names ')'                 { $$ = (Formal){@$, $1, true, $3, NULL}; }
    | NAME CALL names ')' '=' value       { $$ = (Formal){@$, $1, true, $3, $6}; }
    ;
names
    : NAME                                { $$ = (Idents){0}; ADD($$, $1); }
    | names ',' NAME                      { $$ = $1; ADD($$, $3); }
    ;
function
    : FUNCTION NAME CALL formals ')' '=' value derivative
                                          { $$ = def_function(p, @$, $2, $4, $7, $8); }
    ;
derivative
    : %empty                              { $$ = (Trees){0}; }
    | DERIVATIVE values                   { $$ = $2; }
    ;
values
    : value                               { $$ = (Trees){0}; ADD($$, $1); }
    | values ',' value                    { $$ = $1; ADD($$, $3); }
    ;
const
    : CONST NAME '=' value                { $$ = def_const(p, @$, $2, $4); }
    ;

items
    : %empty                              { $$ = (Items){0}; }
    | items item                          { $$ = $1; if ($2) ADD($$, $2); }
    | items STATE states                  { $$ = items_append(p, $1, $3); }
    ;
item
    : NAME settings                       { $$ = item_entry(p, @$, $1, $2); }
    | call                                { $$ = item_call(p, $1); }
    | NAME element '=' value            { $$ = item_unknown(p, $1); }
    | NAME ref '~' value                  { $$ = item_unknown(p, $1); }
    | NAME '{' items '}'                  { $$ = item_group(p, @$, $1, $3); }
    | PARAM ref '=' value                 { $$ = item_param(p, @$, $2, false, $4); }
    | PARAM ref '~' value                 { $$ = item_param(p, @$, $2, true, $4); }
    | ref '=' value                       { $$ = item_define(p, @$, $1, false, $3); }
    | NEXT ref '=' value                  { $$ = item_define(p, @$, $2, true, $4); }
    | SCAN NAME '{' items '}'             { $$ = item_scan(p, @$, $2, (Ident){0}, $4); }
    | SCAN NAME NAME '{' items '}'        { $$ = item_scan(p, @$, $2, $3, $5); }
    | const                               { $$ = item_const(p, $1); }
    | primary ARROW stages                { $$ = item_pipe(p, tree_pipe(p, @$, $1, $3)); }
    | error SYNC                          { $$ = NULL; yyerrok; }
    | error '{' { yyerrok; } items '}'    { $$ = NULL; }
    ;
states
    : state                               { $$ = (Items){0}; ADD($$, $1); }
    | states ',' state                    { $$ = $1; ADD($$, $3); }
    ;
state
    : ref '=' value                       { $$ = item_state(p, @$, $1, $3); }
    ;

value
    : stages
    | expr '?' value ':' value            { $$ = tree_cond(p, @$, $1, $3, $5); }
    ;
stages
    : expr
    | pipe
    ;
pipe
    : expr ARROW expr                     { $$ = tree_pipe(p, @$, $1, $3); }
    | pipe ARROW expr                     { $$ = tree_pipe(p, @$, $1, $3); }
    ;
expr
    : primary
    | expr OR expr                        { $$ = tree_binary(p, @$, TREE_OR, $1, $3); }
    | expr AND expr                       { $$ = tree_binary(p, @$, TREE_AND, $1, $3); }
    | NOT expr                            { $$ = tree_unary(p, @$, TREE_NOT, $2); }
    | expr EQ expr                        { $$ = tree_compare(p, @$, TREE_EQ, $1, $3); }
    | expr NE expr                        { $$ = tree_compare(p, @$, TREE_NE, $1, $3); }
    | expr '<' expr                       { $$ = tree_compare(p, @$, TREE_LT, $1, $3); }
    | expr LE expr                        { $$ = tree_compare(p, @$, TREE_LE, $1, $3); }
    | expr '>' expr                       { $$ = tree_compare(p, @$, TREE_GT, $1, $3); }
    | expr GE expr                        { $$ = tree_compare(p, @$, TREE_GE, $1, $3); }
    | expr '+' expr                       { $$ = tree_binary(p, @$, TREE_ADD, $1, $3); }
    | expr '-' expr                       { $$ = tree_binary(p, @$, TREE_SUB, $1, $3); }
    | expr '*' expr                       { $$ = tree_binary(p, @$, TREE_MUL, $1, $3); }
    | expr '/' expr                       { $$ = tree_binary(p, @$, TREE_DIV, $1, $3); }
    | expr '%' expr                       { $$ = tree_binary(p, @$, TREE_MOD, $1, $3); }
    | expr '^' expr                       { $$ = tree_binary(p, @$, TREE_POW, $1, $3); }
    | '-' expr            %prec NEGATIVE  { $$ = tree_unary(p, @$, TREE_NEG, $2); }
    | REDUCE CALL parts ')' guard expr           %prec BODY
                                          { $$ = tree_reduce(p, @$, $1, $3, $5, $6); }
    | EXTREMUM CALL parts CLOSE_HEAD guard expr  %prec BODY
                                          { $$ = tree_reduce(p, @$, $1, $3, $5, $6); }
    ;
guard
    : %empty                              { $$ = NULL; }
    | '[' value ']'                       { $$ = $2; }
    ;
primary
    : NUMBER
    | STRING
    | ref                                 { $$ = tree_read(p, @$, $1, false, NULL); }
    | NEXT ref                            { $$ = tree_read(p, @$, $2, true, NULL); }
    | word '@' sample                     { $$ = tree_sample(p, @$, $1, $3, NULL); }
    | word '@' sample '[' parts ']'       { $$ = tree_sample(p, @$, $1, $3, &$5); }
    | DOTTED                              { $$ = tree_name(p, $1); }
    | DOTTED '[' parts ']'                { $$ = tree_read(p, @$, ref(@$, $1, &$3), false, NULL); }
    | call
    | EXTREMUM CALL parts ')'             { $$ = tree_extremum(p, @$, @1, $1, $3); }
    | '(' part_list ')'                   { $$ = tree_parens(p, @$, $2); }
    ;
call
    : NAME CALL parts ')'                 { $$ = tree_call(p, @$, $1, $3); }
    ;
sample
    : NAME                                { $$ = tree_name(p, $1); }
    | NUMBER
    | '(' value ')'                       { $$ = $2; }
    ;
ref
    : word                                { $$ = ref(@$, $1, NULL); }
    | element
    ;
element
    : word '[' parts ']'                  { $$ = ref(@$, $1, &$3); }
    ;
refs
    : ref                                 { $$ = (Refs){0}; ADD($$, $1); }
    | refs ',' ref                        { $$ = $1; ADD($$, $3); }
    ;
word
    : NAME
    | IN
    ;
parts
    : %empty                              { $$ = (Parts){0}; }
    | part_list
    ;
part_list
    : part                                { $$ = (Parts){0}; ADD($$, $1); }
    | part_list ',' part                  { $$ = $1; ADD($$, $3); }
    ;
settings
    : setting                             { $$ = (Parts){0}; ADD($$, $1); }
    | settings ',' setting                { $$ = $1; ADD($$, $3); }
    ;
part
    : setting
    | ELSE value                          { $$ = part_else(p, @$, @1, $2); }
    | NAME DOTS                           { $$ = (Part){PART_PACK, @$, $1, {0}, NULL}; }
    | NAME IN NAME                        { $$ = (Part){PART_SET, @$, $1, $3, NULL}; }
    ;
setting
    : value                               { $$ = (Part){PART_VALUE, @$, {0}, {0}, $1}; }
    | NAME '=' value                      { $$ = (Part){PART_KEYED, @$, $1, {0}, $3}; }
    ;
%%

static int yyreport_syntax_error(const yypcontext_t *context, Parse *p) {
    yysymbol_kind_t kinds[YYNTOKENS];
    const char *names[YYNTOKENS];
    int n = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
    if (n < 0) n = 0;
    for (int i = 0; i < n; i++) names[i] = yysymbol_name(kinds[i]);
    parse_report(p, *yypcontext_location(context), names, n);
    return 0;
}
