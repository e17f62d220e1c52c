/* front.h: what the tests of the front end share: an arena and diagnostics per test. */
#ifndef NETC_TESTS_FRONT_H
#define NETC_TESTS_FRONT_H
#include "tree.h"
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

static inline File *parse(const char *text) { return parse_text(arena, diags, "t.net", text); }

static inline const char *said(void) {
    Text t = {.arena = arena};
    diags_print(&t, diags);
    return t.n ? t.at : "";
}

static inline int run_suite(const char *name, const TTest *const *tests, int n) {
    Suite *s = suite_create(name);
    TCase *t = tcase_create(name);
    tcase_add_checked_fixture(t, setup, teardown);
    for (int i = 0; i < n; i++) tcase_add_test(t, tests[i]);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
#endif
