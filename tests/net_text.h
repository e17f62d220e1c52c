/* net_text.h: nets written as text in a test, elaborated, and run by the interpreter. */
#ifndef NETC_TESTS_NET_TEXT_H
#define NETC_TESTS_NET_TEXT_H
#include "elaborate.h"
#include "interpret.h"
#include "passes.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static Arena *arena;
static Diags *diags;

static inline void setup(void) {
    arena = arena_new();
    diags = diags_new(arena);
}

static inline void teardown(void) { arena_free(arena); }

static inline const char *read_whole(void *context, Arena *a, const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *text = arena_alloc(a, 1 << 20);
    *n = fread(text, 1, (1 << 20) - 1, f);
    fclose(f);
    return text;
}

static inline const char *said(void) {
    Text t = {.arena = arena};
    diags_print(&t, diags);
    return t.n ? t.at : "";
}

static inline Program *elaborate_with(const char *name, const char *text, const char *define) {
    ElabOptions options = {.defines = &define, .n_defines = define != NULL, .read = read_whole};
    File *f = parse_text(arena, diags, name, text);
    return f ? elaborate(arena, diags, f, &options) : NULL;
}

static inline Program *elaborate_text(const char *text) {
    return elaborate_with("t.net", text, NULL);
}

static inline Program *elaborate_file(const char *path) {
    size_t n;
    const char *text = read_whole(NULL, arena, path, &n);
    ck_assert_msg(text != NULL, "cannot read %s", path);
    return elaborate_with(path, text, NULL);
}

/* A whole net around what is tested: `defs` before it, a data set with samples of `shape`. */
static inline Program *small_net(const char *defs, const char *shape, const char *items) {
    return elaborate_text(arena_printf(arena,
        "%s\n"
        "data tiny { format idx  train \"a\", \"b\"  test \"c\", \"d\"  shape %s\n"
        "            classes \"p\", \"q\", \"r\" }\n"
        "layer scaled { param s = 0.75  out[i...] = s * in[i...] }\n"
        "loss total on in[S...] { out = sum(i...) in[i...] }\n"
        "net small { data tiny  %s }\n", defs, shape, items));
}

/* The model alone is tested. */
static inline Program *small_model(const char *defs, const char *shape, const char *model) {
    return small_net(defs, shape, arena_printf(arena,
        "model scaled -> %s  loss total  train { optimizer sgd(lr = 0.1)  batch 3 }", model));
}

static inline Node *node_named(const Graph *g, const char *name) {
    for (int i = 0; i < g->nodes.n; i++) {
        if (!strcmp(g->nodes.at[i]->name, name)) return g->nodes.at[i];
    }
    return NULL;
}

static inline Stored *stored_named(const Program *p, const char *name) {
    for (int i = 0; i < p->stored.n; i++) {
        if (!strcmp(p->stored.at[i]->name, name)) return p->stored.at[i];
    }
    return NULL;
}

static inline void verify_all(Program *p) {
    Graph *all[] = {p->init, p->prepare, p->train, p->eval, p->predict, p->settle};
    for (int i = 0; i < COUNT_OF(all); i++) graph_verify(all[i], "elaborate");
}

static inline int run_suite(const char *name, const TTest *const *tests, int n) {
    Suite *s = suite_create(name);
    TCase *t = tcase_create(name);
    tcase_add_checked_fixture(t, setup, teardown);
    for (int i = 0; i < n; i++) tcase_add_test(t, tests[i]);
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
#endif
