/* process.c: commands as child processes. */
#define _GNU_SOURCE
#include "study.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Only in a child: becomes the command, or ends. */
static _Noreturn void become(Command *c, pid_t parent) {
    /* Whoever kills us, even with SIGKILL, stops our children: two of a run would write one file.
     * A group of its own keeps the terminal's Ctrl-C from it; we pass that on. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    setpgid(0, 0);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    execvp(c->at[0], (char **)c->at);
    dprintf(2, "%s: %s\n", c->at[0], strerror(errno));
    _exit(127);
}

static void terminate(Arena *a, Command *c) {
    PUSH(a, *c, NULL);
    c->n--;
}

pid_t start(Arena *a, Command *c, const char *output) {
    terminate(a, c);
    pid_t parent = getpid(), child = fork();
    if (child < 0) fail("cannot start %s: %s", c->at[0], strerror(errno));
    if (child) return child;
    int out = open(output, O_WRONLY | O_CREAT | O_APPEND, 0666), in = open("/dev/null", O_RDONLY);
    if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) _exit(126);
    become(c, parent);
}

static char *read_all(Arena *a, int from) {
    Text t = {.arena = a};
    char part[4096];
    ssize_t n;
    while ((n = read(from, part, sizeof part - 1)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0) continue;
        part[n] = 0;
        text_add(&t, "%s", part);
    }
    return t.at ? t.at : arena_strdup(a, "");
}

int run_command(Arena *a, Command *c, bool all, char **output) {
    int pipes[2], status = 0;
    terminate(a, c);
    fflush(NULL);
    if (pipe2(pipes, O_CLOEXEC)) fail("cannot make a pipe: %s", strerror(errno));
    pid_t parent = getpid(), child = fork();
    if (child < 0) fail("cannot start %s: %s", c->at[0], strerror(errno));
    if (!child) {
        if (dup2(pipes[1], 1) < 0 || (all && dup2(pipes[1], 2) < 0)) _exit(126);
        become(c, parent);
    }
    close(pipes[1]);
    char *text = read_all(a, pipes[0]);
    close(pipes[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (output) *output = text;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool can_run(Arena *a, const char *program) {
    const char *path = getenv("PATH");
    for (const char *p = path; p && *p; p += strspn(p, ":")) {
        size_t n = strcspn(p, ":");
        if (!access(arena_printf(a, "%.*s/%s", (int)n, p, program), X_OK)) return true;
        p += n;
    }
    return false;
}
