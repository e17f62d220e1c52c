/* tune_command.c: netc --tune: a schedule that was measured, in a file (tune.h). */
#include "tune_parts.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder of netc.h: in the tree that netc was built in, or where `make install` puts it. Null
 * where there is none. */
static const char *find_include(Arena *a) {
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) return NULL;
    self[n] = 0;
    *strrchr(self, '/') = 0;
    for (const char *up = "/.."; strlen(up) < 12; up = arena_printf(a, "%s/..", up)) {
        const char *folder = arena_printf(a, "%s%s/runtime", self, up);
        if (!access(arena_printf(a, "%s/netc.h", folder), R_OK)) return folder;
    }
    const char *folder = arena_printf(a, "%s/../include/netc", self);
    return access(arena_printf(a, "%s/netc.h", folder), R_OK) ? NULL : folder;
}

static int stop(const char *what, const char *path) {
    fprintf(stderr, "netc: cannot %s %s: %s\n", what, path, strerror(errno));
    return 1;
}

int tune_command(const Compiled *x, const char *folder, double minutes) {
    Arena *a = x->program->arena;
    Text text = {.arena = a}, why = {.arena = a};
    const char *cc = getenv("CC");
    TuneOptions o = {cc && *cc ? cc : "cc", find_include(a), minutes, stdout};
    if (x->target->lanes > target_find("native")->lanes) {
        fprintf(stderr, "netc: this machine cannot run code for %s, so it cannot tune for it\n",
                x->target->name);
        return 1;
    }
    if (!o.include) {
        fprintf(stderr, "netc: cannot find netc.h, which the programs that are timed include\n");
        return 1;
    }
    if (!tune(&text, x, &o, &why)) {
        fprintf(stderr, "netc: %s\n", why.at);
        return 1;
    }
    if (!text.n) {
        puts("the default schedule is as good: nothing is written");
        return 0;
    }
    if (mkdir(folder, 0777) && errno != EEXIST) return stop("make the folder", folder);
    const char *path = arena_printf(a, "%s/%s.sched", folder, x->program->name);
    FILE *f = fopen(path, "w");
    if (!f) return stop("write", path);
    bool good = fwrite(text.at, 1, text.n, f) == text.n;
    good &= !fclose(f);
    if (!good) return stop("write", path);
    printf("%s: compile with netc --schedule=%s\n", path, path);
    return 0;
}
