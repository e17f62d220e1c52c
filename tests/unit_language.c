/* unit_language.c: the examples of docs/ compile, as files of examples/ would. A block ```net is a
 * whole spec; one that defines no net is followed by one whose model is what stands after ```net.
 */
#include "compile.h"
#include "net_text.h"

static bool defines_net(const char *text) {
    return !strncmp(text, "net ", 4) || strstr(text, "\nnet ") != NULL;
}

static void check_example(const char *file, int line, const char *model, const char *text) {
    if (!defines_net(text)) {
        text = arena_printf(arena, "%s\nnet example {\n  data fashion_mnist\n  model %s\n"
                            "  loss softmax_cross_entropy\n  train { optimizer sgd }\n}\n", text,
                            model);
    }
    diags = diags_new(arena);
    Program *p = elaborate_with("examples/t.net", text, NULL);
    ck_assert_msg(p != NULL, "%s:%d:\n%s", file, line, said());
    verify_all(p);
    CompileOptions options = {.target = "native"};
    Text c = {.arena = arena}, h = {.arena = arena};
    print_c(&c, &h, compile(p, &options, diags));
    ck_assert_uint_gt(c.n, 0);
}

/* How many examples there are. */
static int check_page(const char *file) {
    size_t n;
    const char *page = read_whole(NULL, arena, file, &n);
    ck_assert_msg(page != NULL, "cannot read %s", file);
    int line = 1, found = 0;
    for (const char *s = page; *s;) {
        const char *end = strchr(s, '\n');
        end = end ? end + 1 : s + strlen(s);
        if (!strncmp(s, "```net", 6)) {
            const char *close = strstr(end, "\n```");
            ck_assert_msg(close != NULL, "%s:%d: an example without end", file, line);
            const char *model = arena_strndup(arena, s + 6, (size_t)(end - 1 - s - 6));
            check_example(file, line, model, arena_strndup(arena, end, (size_t)(close + 1 - end)));
            found++;
            for (; end < close + 1; end++) line += *end == '\n';
        }
        line++;
        s = end;
    }
    return found;
}

START_TEST(test_pages) {
    ck_assert_int_ge(check_page("docs/language.md"), 21);
    ck_assert_int_ge(check_page("docs/extending.md"), 2);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {test_pages};
    return run_suite("language", tests, COUNT_OF(tests));
}
