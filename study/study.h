/* study.h: `netc study`: networks compared by training each with several seeds.
 *
 *     plan.c      specs x values x seeds; each compiled to a program          DIR/build/
 *     jobs.c      the programs run, side by side, until all is done           DIR/runs/
 *     results.c   what the runs left, measured and compared                   DIR/results.json
 *     tables.c    the same for spreadsheets and for people         DIR/results.csv, results.md
 *     report*.c   the same as a page, with figures.c and pictures.c           DIR/report.html
 *
 * Everything that a page or a table shows is read from results.json, so one who doubts a number
 * finds it there. A run's folder says what it is (manifest.json) and, once it is over, how it ended
 * (done.json, which appears whole or not at all): with that, a study that is interrupted anywhere
 * goes on where it was.
 */
#ifndef NETC_STUDY_H
#define NETC_STUDY_H
#include <jansson.h>
#include <sys/types.h>
#include "support.h"

enum { N_SCORES = 4, MAX_REFERENCES = 4 };
extern const char *const score_names[N_SCORES]; /* accuracy, precision, recall, f1 */

/* Numbers to compare with: a CSV file with columns spec (or model), accuracy, precision, recall and
 * f1, one or several rows a model. */
typedef struct Reference {
    const char *name, *path;
    bool of_runs; /* its file has a column `seed`: figures are of runs, with chance in them */
} Reference;

typedef struct Options {
    VEC(const char *) specs;
    VEC(const char *) values; /* "name=a,b,c" */
    Reference reference[MAX_REFERENCES];
    int n_references;
    long seeds, epochs, limit, threads; /* 0: the spec's epochs, all samples, all processors */
    const char *folder, *data, *target, *conclusions;
    bool report_only;
} Options;

/* A spec with one choice of values. */
typedef struct Model {
    const char *key;    /* also its folder's name: "mlp-width=64" */
    const char *spec, *text;
    json_t *imports;          /* the files that the spec imports: path -> text */
    VEC(const char *) values; /* "name=value" */
    const char *folder; /* DIR/build/KEY */
    const char *program, *source;
    json_t *summary;    /* what the program says of itself */
    const char *network; /* its layers as a graph, for graphviz */
    const char *fault;  /* why it cannot be trained, or null */
    double alone, side_by_side; /* samples/s: one on all threads; all that run side by side */
    bool wide;          /* better one on all threads */
} Model;

typedef enum { WAITING, TRAINING, TESTING, DONE, DIVERGED, FAILED } RunState;

typedef struct Run {
    Model *model;
    long seed;
    const char *folder; /* DIR/runs/KEY/seed-N */
    const char *key;    /* all that its result depends on */
    RunState state;
    pid_t process;
    int threads;
    double began, last_epoch; /* seconds of the clock */
    long epochs, epochs_before, epochs_done; /* before: done when it began */
    const char *message;
} Run;

typedef struct Study {
    Arena *arena;
    Options options;
    const char *tools;   /* the folder of netc, libnetc.a's, the headers' and main.c's */
    const char *library, *include, *main_c;
    const char *cc;
    VEC(Model *) models;
    VEC(Run *) runs;
    int processors;
    char data_hash[65];
    long train_count, test_count;
    const char *data_name;
    double began;
    json_t *manifest;
} Study;

/* ---- files.c: what fails says so and ends the process ---- */
_Noreturn void fail(const char *format, ...) PRINTF_LIKE(1, 2);
char *read_text(Arena *a, const char *path);       /* null where there is none */
void write_text(Study *s, const char *path, const char *text); /* whole or not at all */
void write_json(Study *s, const char *path, json_t *j);        /* takes j */
json_t *read_json(const char *path); /* null where there is none or it is no JSON */
void make_folders(const char *path);
void remove_tree(const char *path);
bool file_exists(const char *path);
void sha256_text(char hex[65], const void *at, size_t n);
double now(void);

/* ---- process.c: commands ---- */
typedef VEC(const char *) Command;
#define ADD(arena, command, ...)                                                    \
    do {                                                                            \
        const char *words_[] = {__VA_ARGS__};                                       \
        for (int i_ = 0; i_ < COUNT_OF(words_); i_++) PUSH(arena, command, words_[i_]); \
    } while (0)
/* Begins one with its output appended to a file; it dies with us. */
pid_t start(Arena *a, Command *c, const char *output);
/* Runs one; the exit status, and what it printed: to standard output, or all of it. */
int run_command(Arena *a, Command *c, bool all, char **output);
bool can_run(Arena *a, const char *program);

/* ---- plan.c ---- */
void plan_models(Study *s);
void build_models(Study *s);
void plan_runs(Study *s);

/* ---- jobs.c ---- */
void measure_speed(Study *s);
int runs_in(const Study *s, RunState from, RunState to); /* how many */
bool run_jobs(Study *s); /* false where a signal stopped it */

/* ---- display.c ---- */
typedef struct Display {
    bool terminal;
    int lines; /* shown now */
    double shown;
} Display;
void display_update(Display *d, const Study *s, double left);
void display_clear(Display *d);
void display_ended(Display *d, const Run *r);

/* ---- results.c, compare.c, exhibits.c ---- */
json_t *collect(Study *s);
void compare_models(Study *s, json_t *results);         /* "pairs", "ranking", "confused" */
void compare_references(Study *s, json_t *results);     /* "references", models' "reference" */
void add_exhibits(Study *s, json_t *results);           /* "gallery", "filters", "pictures" */
/* The predictions of a run, in the order of the samples; false where there are none. */
typedef struct Predictions {
    int n, classes;
    int *label, *guess; /* guess: -1 for no class */
    double *confidence; /* in the guess, 0 to 1 */
} Predictions;
bool read_predictions(Arena *a, const char *path, int classes, Predictions *p);

/* ---- tables.c ---- */
void write_tables(Study *s, json_t *results);
/* Models as they are ranked. */
json_t *ranked(json_t *results, int rank);

/* ---- figures.c: SVG for a page, colored by its style sheet ---- */
/* Of all models, for a wide page or a narrow one; `id`s are unique in the page. */
char *figure_accuracy(Study *s, json_t *results, bool narrow); /* with intervals */
char *figure_accuracy_curves(Study *s, json_t *results, bool narrow);
char *figure_loss_curves(Study *s, json_t *results, bool narrow);
char *figure_cost(Study *s, json_t *results, bool narrow); /* accuracy by seconds of training */
char *figure_model(Study *s, json_t *model, bool loss, const char *id); /* one, with its spread */
char *figure_network(Study *s, json_t *model, const char *id);
/* Of model number k: its color, 1 .. COLORS, and whether its line is dashed. */
enum { COLORS = 6 };
int series_color(json_t *results, int k, bool *dashed);

/* ---- pictures.c ---- */
/* A PNG file as base64; `channels` 1 or 3, bytes as rows of pixels. */
char *png_base64(Arena *a, const uint8_t *pixels, int width, int height, int channels);

/* ---- report.c, report_model.c ---- */
void write_report(Study *s, json_t *results);
void report_model(Study *s, Text *t, json_t *results, int rank);
void html(Text *t, const char *s); /* with what HTML reserves escaped */
void breakable(Text *t, const char *s); /* the same, where a narrow column may break it */
/* The number at a path of results.json, times a factor, in a format of C; the page keeps the path,
 * so that each of its numbers can be traced. A dash where there is none. */
void number(Text *t, json_t *results, const char *format, double times, const char *path, ...)
    PRINTF_LIKE(5, 6);
typedef struct Column {
    const char *path, *format;
    double times;
} Column;
/* Cells of a table: a number for each column, its path below `row`. */
void cells(Text *t, json_t *results, const char *row, const Column *column, int n);

/* ---- json.c: short ways into results ---- */
double real(const json_t *j, const char *path); /* "accuracy.mean"; NaN where there is none */
json_t *at(const json_t *j, const char *path);  /* steps between dots are keys or indices */
const char *string(const json_t *j, const char *path); /* "" where there is none */
json_t *rounded(double x); /* a number that a page can show; null for NaN */
#endif
