/* unit_front_errors.c: what the front end says of mistakes, several in one run; texts of hostile
 * size; and how diagnostics look. */
#include "front.h"

/* text has exactly these errors, "line:column message" each. */
static void expect_errors(const char *text, int n, const char *const *errors) {
    diags = diags_new(arena);
    parse(text);
    const char *all = said();
    ck_assert_msg(diags_errors(diags) == n, "%d errors, not %d\n%s", diags_errors(diags), n, all);
    for (int i = 0; i < n; i++) {
        int line, column, length = 0;
        ck_assert_int_eq(sscanf(errors[i], "%d:%d %n", &line, &column, &length), 2);
        const char *want = arena_printf(arena, "t.net:%d:%d: error: %s", line, column,
                                        errors[i] + length);
        ck_assert_msg(strstr(all, want) != NULL, "missing: %s\nin\n%s", want, all);
    }
}
#define EXPECT_ERRORS(text, ...)                                   \
    do {                                                           \
        static const char *const list[] = {__VA_ARGS__};           \
        expect_errors(text, COUNT_OF(list), list);                 \
    } while (0)

/* --- mistakes --- */

START_TEST(several_errors_in_one_run) {
    EXPECT_ERRORS("layer a(x y) {\n"
                  "  out[c y] = mix(a,\n"
                  "                 b)\n"
                  "  ok[c] = 1\n"
                  "  z[c] = 3 +\n"
                  "  param w[C] ~ normal(0, 1)\n"
                  "}\n"
                  "layer b {\n"
                  "  out = 1 )\n"
                  "}\n"
                  "layer c { out = 1 }\n",
                  "1:11 expected `(`, `)`, `,` or `=`, found `y`",
                  "2:9 expected `,` or `]`, found `y`", "6:3 expected an expression, found `param`",
                  "9:11 `)` has no place here");
    File *f = parse("const a = \nconst b = 2\nlayer c { x = }\nconst d = 3\n");
    ck_assert_int_eq(f->defs.n, 3);
}
END_TEST

START_TEST(brackets_left_open) {
    EXPECT_ERRORS("layer a {\n  x = f(1\n  y = 2\n", "3:3 expected `)` or `,`, found `y`",
                  "4:1 expected `}`, found the end of the file");
    ck_assert(strstr(said(), "t.net:2:8: note: this `(` is not closed") != NULL);
    EXPECT_ERRORS("net a { train { batch 3\n", "2:1 expected `}`, found the end of the file");
    ck_assert(strstr(said(), "t.net:1:15: note: this `{` is not closed") != NULL);
    EXPECT_ERRORS("} const a = 1", "1:1 `}` has no place here");
    EXPECT_ERRORS("const a = f (1)",
                  "1:13 the parenthesis of a call stands right after its name");
}
END_TEST

START_TEST(misplaced_and_misspelt) {
    EXPECT_ERRORS("nett a { }", "1:1 `nett` begins no definition; did you mean `net`?");
    EXPECT_ERRORS("net a { modle b }", "1:9 a net has no `modle`; did you mean `model`?");
    EXPECT_ERRORS("net a { trian { } }", "1:9 a net has no `trian { }`; did you mean `train`?");
    EXPECT_ERRORS("net a { model = b }", "1:9 `model` takes its value without `=`");
    EXPECT_ERRORS("net a { model b\n model c }", "2:2 a second `model`");
    EXPECT_ERRORS("net a { param w = 1 }", "1:9 a `param` has no place in a net");
    EXPECT_ERRORS("net a(n) { }", "1:7 a net has no parameters");
    EXPECT_ERRORS("layer a extends b { }", "1:17 only a net extends another");
    EXPECT_ERRORS("layer a { parm w[3] = 1 }",
                  "1:11 `parm` begins no statement; did you mean `param`?");
    EXPECT_ERRORS("optimizer a { param w = 1 }", "1:15 a `param` has no place in an optimizer");
    EXPECT_ERRORS("data a { x = 1 }", "1:10 a definition has no place in a data set");
    EXPECT_ERRORS("net a { train { batch 1 batch 2 } }", "1:25 `batch` is given twice in `train`");
    EXPECT_ERRORS("block a { b -> c  d -> e }", "1:19 a block has one pipeline");
    EXPECT_ERRORS("function a(n) = n derivative 1, 2",
                  "1:33 2 derivatives, but 1 parameters to take them by");
    EXPECT_ERRORS("layer a { scan t sideways { } }",
                  "1:18 a scan goes `backward` or, without a word, forward");
}
END_TEST

START_TEST(elements_in_the_wrong_brackets) {
    EXPECT_ERRORS("layer a { out[3] = 1 }", "1:15 an index is a name: `i`, `i < size` or `i...`");
    EXPECT_ERRORS("layer a { out[i, i] = 1 }", "1:18 `i` is an index twice");
    EXPECT_ERRORS("const a = sum(2 * i) 1",
                  "1:15 a reduction runs over names: `i`, `i < size`, `i...`");
    EXPECT_ERRORS("const a = sum() 1", "1:11 sum runs over no index");
    EXPECT_ERRORS("const a = x[i = 2]", "1:13 an index takes no names with values");
    EXPECT_ERRORS("const a = f(i...)", "1:13 an argument takes no `...`");
    EXPECT_ERRORS("const a = f(n in batch)", "1:13 an argument takes no `in`");
    EXPECT_ERRORS("const a = f(k = 1, 2)", "1:20 an argument by position follows one by name");
    EXPECT_ERRORS("const a = f(k = 1, k = 2)", "1:20 `k` is given twice");
    EXPECT_ERRORS("const a = max(i...)", "1:11 this max has no body");
}
END_TEST

START_TEST(bad_tokens) {
    EXPECT_ERRORS("const a = 99999999999999999999",
                  "1:11 the number is too large; the largest integer is 9223372036854775807");
    EXPECT_ERRORS("const a = 1e999", "1:11 the number is too large");
    EXPECT_ERRORS("const a = 1e-999", "1:11 the number is too small");
    EXPECT_ERRORS("const a = 2x", "1:11 `2x` is neither a number nor a name");
    EXPECT_ERRORS("const a = \"b\nconst c = \"d", "1:11 the string does not end on its line",
                  "2:11 the string does not end on its line");
    EXPECT_ERRORS("const a = \"\\n\"", "1:11 in a string only `\\\"` and `\\\\` begin with a `\\`");
    EXPECT_ERRORS("const a = 1 $", "1:13 the character `$` has no meaning");
    EXPECT_ERRORS("const a = \xc3\xa9 1",
                  "1:11 only comments and strings may hold characters outside of ASCII");
    EXPECT_ERRORS("const a = 1 \x01", "1:13 the character with code 1 has no place here");
    const char *long_name = arena_printf(arena, "const %064d = 1", 0);
    char *name = arena_strdup(arena, long_name);
    memset(name + 6, 'a', 64);
    EXPECT_ERRORS(name, "1:7 a name has at most 63 characters, this one 64");
}
END_TEST

START_TEST(not_text) {
    ck_assert_ptr_null(parse_bytes(arena, diags, "t.net", "const\0a", 7));
    ck_assert(strstr(said(), "t.net:1:6: error: a zero byte: this is not a text") != NULL);
    static const char *const bad[] = {"\xff",     "\xc3",         "\xc0\x80", "\xed\xa0\x80",
                                      "\xe2\x82", "\xf5\x80\x80\x80", "\x80"};
    for (int i = 0; i < COUNT_OF(bad); i++) {
        diags = diags_new(arena);
        ck_assert_ptr_null(parse(arena_printf(arena, "# \n #%s", bad[i])));
        ck_assert(strstr(said(), "t.net:2:3: error: this is not UTF-8") != NULL);
    }
}
END_TEST

START_TEST(nothing) {
    ck_assert_int_eq(parse("")->defs.n, 0);
    ck_assert_int_eq(parse("# only a comment")->defs.n, 0);
    ck_assert_int_eq(parse(" \r\n\t")->defs.n, 0);
    ck_assert_str_eq(said(), "");
    ck_assert_ptr_null(parse_expression(arena, diags, "-D", ""));
    ck_assert_ptr_null(parse_expression(arena, diags, "-D", "1 2"));
    ck_assert_ptr_null(parse_expression(arena, diags, "-D", "a = 2"));
}
END_TEST

/* --- sizes --- */

static char *repeated(const char *before, const char *unit, int n, const char *after) {
    size_t length = strlen(unit);
    char *s = arena_alloc(arena, strlen(before) + length * (size_t)n + strlen(after) + 1);
    strcpy(s, before);
    char *p = s + strlen(s);
    for (int i = 0; i < n; i++, p += length) memcpy(p, unit, length);
    strcpy(p, after);
    return s;
}

START_TEST(too_large) {
    ck_assert_ptr_null(parse(repeated("", "const a = 1\n", 90000, "")));
    ck_assert_str_eq(said(), "t.net: error: the file is larger than 1 MB\n");
}
END_TEST

START_TEST(limits_of_lists) {
    expect_errors(repeated("layer a { param w[k", ", k", 32, "] = 1 }"), 1,
                  (const char *const[]){"1:115 more than 32 elements"});
}
END_TEST

START_TEST(deep_nesting_is_an_error) {
    static const char *const units[] = {"(", "f(",  "x[",      "-",   "not ", "a ? b : ", "2^",
                                        "a + ", "1 < ", "sum(i) ", "x@(", "max(", "f(a = "};
    for (int i = 0; i < COUNT_OF(units); i++) {
        diags = diags_new(arena);
        parse(repeated("const a = ", units[i], 50000, "1"));
        ck_assert_msg(diags_errors(diags) > 0, "%s", units[i]);
    }
    diags = diags_new(arena);
    parse(repeated("layer a {", "scan t {", 50000, ""));
    ck_assert_int_gt(diags_errors(diags), 0);
    diags = diags_new(arena);
    parse(repeated("", "net a {", 50000, ""));
    ck_assert_int_gt(diags_errors(diags), 0);
}
END_TEST

START_TEST(many_errors_are_counted) {
    parse(repeated("", "$", 100000, ""));
    ck_assert_int_eq(diags_errors(diags), 100000);
    ck_assert(strstr(said(), "netc: too many: 99980 more are not shown\n") != NULL);
    diag_note(diags, diag_error(diags, (Span){0}, "one more"), (Span){0}, "a note");
    ck_assert_int_eq(diags_errors(diags), 100001);
}
END_TEST

START_TEST(long_lists_are_none) {
    File *f = parse(repeated("net a { model x", " -> f", 50000, "}"));
    ck_assert_str_eq(said(), "");
    ck_assert_int_eq(f->defs.at[0]->model->list.n, 50001);
    f = parse(repeated("", "const a = 1\n", 20000, ""));
    ck_assert_int_eq(f->defs.n, 20000);
    parse(repeated("const a = f(1", ", 1", 50000, ")"));
    parse(repeated("const a = 1", " + 1", 900, ""));
    ck_assert_str_eq(said(), "");
}
END_TEST

/* --- how diagnostics look --- */

static Span at(const Source *s, int line, int column, int end_column) {
    return (Span){s, line, column, line, end_column};
}

START_TEST(diagnostics_look) {
    static const char text[] = "first\n\tse\xc3\xa9" "cond x\r\nthird";
    Source *s = source_new(arena, diags, "a.net", text, sizeof text - 1);
    Diag *d = diag_error(diags, at(s, 3, 1, 6), "late");
    diag_note(diags, d, at(s, 1, 1, 2), "look here");
    diag_note(diags, d, at(s, 1, 1, 2), "look here");
    diag_warning(diags, at(s, 2, 9, 10), "early");
    diag_warning(diags, at(s, 2, 9, 10), "early");
    diag_error(diags, (Span){0}, "nowhere");
    ck_assert_int_eq(diags_errors(diags), 2);
    ck_assert_str_eq(said(), "netc: error: nowhere\n"
                             "a.net:2:9: warning: early\n"
                             "    2 |  se\xc3\xa9" "cond x\n"
                             "      |         ^\n"
                             "a.net:3:1: error: late\n"
                             "    3 | third\n"
                             "      | ^~~~~\n"
                             "a.net:1:1: note: look here\n"
                             "    1 | first\n"
                             "      | ^\n");
}
END_TEST

START_TEST(sources_in_order_of_reading) {
    Source *a = source_new(arena, diags, "b.net", "x", 1);
    Source *b = source_new(arena, diags, "a.net", "x", 1);
    diag_error(diags, at(b, 1, 1, 2), "second");
    diag_error(diags, at(a, 1, 1, 2), "first");
    ck_assert_int_eq(strncmp(said(), "b.net:1:1: error: first", 23), 0);
}
END_TEST

START_TEST(twenty_at_most) {
    Source *s = source_new(arena, diags, "a.net", "", 0);
    for (int i = 0; i < 25; i++) diag_error(diags, at(s, 1, 1, 2), "number %d.", i);
    ck_assert(strstr(said(), "number 19.") != NULL);
    ck_assert(strstr(said(), "number 20.") == NULL);
    ck_assert(strstr(said(), "netc: too many: 5 more are not shown\n") != NULL);
    ck_assert_int_eq(diags_errors(diags), 25);
}
END_TEST

START_TEST(long_lines_are_cut) {
    char *text = repeated("", "abcdefghij", 1000, "");
    Source *s = source_new(arena, diags, "a.net", text, strlen(text));
    diag_error(diags, at(s, 1, 5001, 9000), "far");
    const char *all = said();
    ck_assert_int_lt(strlen(all), 400);
    ck_assert(strstr(all, "    1 | ...abcdefghij") != NULL);
    const char *excerpt = strstr(all, "| ...") + 2, *caret = strchr(all, '^');
    const char *mark = strstr(all, "      | ") + 8;
    ck_assert_int_eq(excerpt[caret - mark], 'a');
}
END_TEST

START_TEST(did_you_mean_the_nearest) {
    static const char *const words[] = {"model", "train", "loss"};
    ck_assert_str_eq(did_you_mean(diags, "modle", words, 3), "; did you mean `model`?");
    ck_assert_str_eq(did_you_mean(diags, "quite_other", words, 3), "");
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        several_errors_in_one_run, brackets_left_open, misplaced_and_misspelt,
        elements_in_the_wrong_brackets, bad_tokens, not_text, nothing, too_large,
        limits_of_lists, deep_nesting_is_an_error,
        many_errors_are_counted, long_lists_are_none, diagnostics_look,
        sources_in_order_of_reading, twenty_at_most, long_lines_are_cut, did_you_mean_the_nearest,
    };
    return run_suite("front_errors", tests, COUNT_OF(tests));
}
