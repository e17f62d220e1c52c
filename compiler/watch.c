/* watch.c: something run again whenever a file that it read changes.
 *
 * Each round is a process, so that nothing is left of the one before. Editors write files in place,
 * or write others and rename them: a file has changed when its time, its size or its inode has.
 */
#include "watch.h"
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct Stamp {
    struct timespec time;
    off_t size;
    ino_t inode;
} Stamp;

static volatile sig_atomic_t stopped;
static void on_signal(int signal) { stopped = signal; }

static Stamp stamp(const char *path) {
    struct stat s;
    if (stat(path, &s)) return (Stamp){.size = -1};
    return (Stamp){s.st_mtim, s.st_size, s.st_ino};
}

static bool same(const Stamp *a, const Stamp *b) {
    return a->time.tv_sec == b->time.tv_sec && a->time.tv_nsec == b->time.tv_nsec &&
           a->size == b->size && a->inode == b->inode;
}

static void pause_a_little(void) { nanosleep(&(struct timespec){0, 50000000}, NULL); }

static pid_t start(const Watched *w, int round) {
    fflush(NULL);
    pid_t child = fork();
    if (child) return child;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    int status = w->run(w->context, round);
    fflush(NULL);
    _exit(status);
}

/* Its exit status; it is told to end where it still runs. */
static int end(pid_t child, bool running, int *status) {
    if (running) {
        kill(child, SIGTERM);
        while (waitpid(child, status, 0) < 0 && child > 0) pause_a_little();
    }
    return WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
}

/* Waits for a change, or for a signal; the child may end meanwhile. */
static bool changed(const char *const *path, const Stamp *before, int n) {
    for (int i = 0; i < n; i++) {
        Stamp now = stamp(path[i]);
        if (!same(&now, &before[i])) return true;
    }
    return false;
}

static int one_round(const Watched *w, int round) {
    Arena *a = arena_new();
    const char *const *path;
    int n = w->files(w->context, a, &path), status = 0;
    Stamp *before = NEW_ARRAY(a, Stamp, n + 1);
    for (int i = 0; i < n; i++) before[i] = stamp(path[i]);
    pid_t child = start(w, round);
    if (child < 0) die("no process for another round");
    bool running = true;
    while (!stopped && !changed(path, before, n)) {
        if (running && waitpid(child, &status, WNOHANG) == child) {
            running = false;
            fprintf(stderr, "netc: waiting for a change of %s\n", path[0]);
        }
        pause_a_little();
    }
    int result = end(child, running, &status);
    arena_free(a);
    return result;
}

int watch(const Watched *w) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int status = 0;
    for (int round = 1; !stopped; round++) {
        if (round > 1) fprintf(stderr, "netc: changed; again\n");
        status = one_round(w, round);
    }
    return status;
}
