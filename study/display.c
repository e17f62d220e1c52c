/* display.c: what a study tells while it runs: on a terminal a line for each run under way and one
 * for the whole, elsewhere a line when a run is over.
 */
#include "study.h"
#include <string.h>

enum { BAR = 24 };

static const char *duration(Arena *a, double seconds) {
    long n = (long)(seconds + 0.5);
    if (n < 3600) return arena_printf(a, "%ld:%02ld", n / 60, n % 60);
    return arena_printf(a, "%ld:%02ld:%02ld", n / 3600, n / 60 % 60, n % 60);
}

void display_clear(Display *d) {
    for (; d->lines; d->lines--) fputs("\033[A\033[K", stdout);
    fflush(stdout);
}

static void show_run(const Run *r) {
    char bar[BAR + 1];
    int full = r->epochs ? (int)(BAR * r->epochs_done / r->epochs) : 0;
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)full);
    bar[BAR] = 0;
    printf("  %-28.28s seed %-3ld %s ", r->model->key, r->seed, bar);
    if (r->state == TESTING) printf("testing\n");
    else printf("%3ld/%ld epochs, %d thread%s\n", r->epochs_done, r->epochs, r->threads,
                r->threads == 1 ? "" : "s");
}

void display_update(Display *d, const Study *s, double left) {
    if (!d->terminal || now() - d->shown < 0.2) return;
    int over = 0, waiting = 0, failed = 0;
    d->shown = now();
    display_clear(d);
    for (int i = 0; i < s->runs.n; i++) {
        const Run *r = s->runs.at[i];
        over += r->state >= DONE;
        failed += r->state > DONE;
        waiting += r->state == WAITING;
        if (r->state != TRAINING && r->state != TESTING) continue;
        show_run(r);
        d->lines++;
    }
    printf("%d of %d done, %d waiting", over - failed, s->runs.n, waiting);
    if (failed) printf(", %d failed", failed);
    printf("; %s so far, about %s left\n", duration(s->arena, now() - s->began),
           duration(s->arena, left));
    d->lines++;
    fflush(stdout);
}

void display_ended(Display *d, const Run *r) {
    display_clear(d);
    printf("%s, seed %ld: ", r->model->key, r->seed);
    if (r->state == DONE) printf("done in %.0f s\n", now() - r->began);
    else printf("%s: %s\n", r->state == DIVERGED ? "diverged" : "failed", r->message);
    fflush(stdout);
}
