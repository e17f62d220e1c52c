/* sample_run.h: commands of a trained program on the sample network, each in a process of its own;
 * `output` is then all that it printed.
 */
#ifndef NETC_TESTS_SAMPLE_RUN_H
#define NETC_TESTS_SAMPLE_RUN_H
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "sample_net.c"

static char output[1 << 16];
static long file_limit; /* bytes that a command may write to a file; 0: any number */

#define ck_assert_said(part) \
    ck_assert_msg(strstr(output, part), "expected '%s' in: %s", part, output)

/* `line` is split at spaces. */
static inline pid_t begin(const char *line) {
    fflush(NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0); /* it may be sent signals */
    if (child) return child;
    char *argv[32] = {"sample"}, *copy = strdup(line);
    int argc = 1, out = open("output", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    if (file_limit) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){(rlim_t)file_limit, (rlim_t)file_limit});
    }
    int status = netc_main(&sample_net, argc, argv);
    fflush(stdout);
    _exit(status);
}

static inline int end(pid_t child) {
    int status;
    waitpid(child, &status, 0);
    FILE *f = fopen("output", "r");
    output[fread(output, 1, sizeof output - 1, f)] = 0;
    fclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline int run(const char *line) { return end(begin(line)); }

static inline size_t read_file(const char *path, uint8_t *to, size_t size) {
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s: %s; %s", path, strerror(errno), output);
    size_t n = fread(to, 1, size, f);
    fclose(f);
    return n;
}

static inline void ck_assert_same_file(const char *a, const char *b) {
    static uint8_t x[1 << 16], y[1 << 16];
    size_t n = read_file(a, x, sizeof x);
    ck_assert_msg(n == read_file(b, y, sizeof y) && n > 0 && !memcmp(x, y, n), "%s and %s differ",
                  a, b);
}

static inline void no_part_is_left(void) { ck_assert_int_ne(system("ls | grep -q part"), 0); }

static inline void setup_plain(void) {
    sample_net.train = sample_train;
    sample_net.train_steps = 1;
    sample_net.init = sample_init;
    sample_net.settle = NULL;
    sample_net.settle_steps = 0;
    sample_net.state_bytes = sizeof(sample_state);
}

/* What train { } says, back as the sample has it. */
static inline void setup(void) {
    sample_net.training = (netc_training){.batch = BATCH, .epochs = 4, .seed = 1};
    sample_net.data.validation = 0;
    setup_plain();
    sample_full_rate = 0.02;
    file_limit = 0;
    setenv("NETC_DATA", sample_folder, 1);
    unsetenv("NETC_TEST_EPOCHS");
    ck_assert_int_eq(system("rm -f *.safetensors *.jsonl"), 0);
}

/* Runs a program's only suite; returns what main does. */
static inline int sample_tests(const char *name, TCase *t) {
    Suite *suite = suite_create(name);
    sample_enter();
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_set_timeout(t, 60);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    sample_leave();
    return failed != 0;
}
#endif
