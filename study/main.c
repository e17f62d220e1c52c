/* main.c: the command `netc study`. */
#define _GNU_SOURCE
#include "study.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: netc study [options] SPEC.net... -o DIR\n"
    "\n"
    "Trains each network with several seeds and writes what they reach, what they cost and\n"
    "which differences are significant to DIR: report.html, results.md, .csv and .json,\n"
    "timings.csv. Stopped at any point, the same command goes on where it was.\n"
    "\n"
    "  -o DIR              where everything goes\n"
    "  --seeds N           train each network with the seeds 1 .. N (default: 3)\n"
    "  -D NAME=A,B,C       set a constant of the specs to each of these values\n"
    "  --epochs N          not each spec's own number\n"
    "  --limit N           use only the first N samples of each file\n"
    "  --data FOLDER       where the data set is\n"
    "  --threads N         processors to use (default: all)\n"
    "  --target NAME       what to compile for (default: native)\n"
    "  --compare NAME=CSV  show figures from elsewhere beside the results: columns spec,\n"
    "                      accuracy, precision, recall, f1\n"
    "  --conclusions MD    put a text in Markdown at the end of the report\n"
    "  --report            only write the report and the tables of DIR/results.json anew\n"
    "  --help\n";

static _Noreturn void bad_usage(const char *format, const char *what) {
    fprintf(stderr, "netc study: ");
    fprintf(stderr, format, what);
    fprintf(stderr, "\n\n%s", usage);
    exit(2);
}

static long whole_number(const char *name, const char *text, long most) {
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || n < 1 || n > most) {
        fprintf(stderr, "netc study: %s takes a number from 1 to %ld, not '%s'\n", name, most,
                text);
        exit(2);
    }
    return n;
}

static const char *value_of(const char *name, int argc, char **argv, int *i) {
    const char *arg = argv[*i] + strlen(name);
    if (*arg == '=' && name[1] == '-') return arg + 1;
    if (*arg && name[1] != '-') return arg;
    if (*i + 1 >= argc) bad_usage("the option %s needs a value", name);
    return argv[++*i];
}

static void add_reference(Options *o, Arena *a, const char *value) {
    const char *equals = strchr(value, '=');
    if (!equals || equals == value || !equals[1]) bad_usage("%s: expected NAME=CSV", value);
    if (o->n_references == MAX_REFERENCES) bad_usage("%s is one too many to compare with", value);
    o->reference[o->n_references++] =
        (Reference){.name = arena_strndup(a, value, (size_t)(equals - value)), .path = equals + 1};
}

static void add_values(Options *o, Arena *a, const char *value) {
    const char *equals = strchr(value, '=');
    if (!equals || equals == value || !equals[1] || equals[1] == ',' || strstr(value, ",,") ||
        value[strlen(value) - 1] == ',')
        bad_usage("-D %s: expected NAME=VALUE,VALUE...", value);
    PUSH(a, o->values, value);
}

static bool is(const char *arg, const char *name) {
    size_t n = strlen(name);
    return !strncmp(arg, name, n) && (!arg[n] || arg[n] == '=' || name[1] != '-');
}

static void parse_option(Options *o, Arena *a, int argc, char **argv, int *i) {
    static const struct { const char *name; size_t at; } texts[] = {
        {"-o", offsetof(Options, folder)}, {"--data", offsetof(Options, data)},
        {"--target", offsetof(Options, target)},
        {"--conclusions", offsetof(Options, conclusions)},
    };
    static const struct { const char *name; size_t at; long most; } numbers[] = {
        {"--seeds", offsetof(Options, seeds), 1000},
        {"--epochs", offsetof(Options, epochs), 1000000},
        {"--limit", offsetof(Options, limit), INT32_MAX},
        {"--threads", offsetof(Options, threads), 1024},
    };
    const char *arg = argv[*i];
    for (int k = 0; k < COUNT_OF(texts); k++) {
        if (!is(arg, texts[k].name)) continue;
        const char *value = value_of(texts[k].name, argc, argv, i);
        if (!*value) bad_usage("the option %s needs a value", texts[k].name);
        *(const char **)((char *)o + texts[k].at) = value;
        return;
    }
    for (int k = 0; k < COUNT_OF(numbers); k++) {
        if (!is(arg, numbers[k].name)) continue;
        const char *value = value_of(numbers[k].name, argc, argv, i);
        *(long *)((char *)o + numbers[k].at) = whole_number(numbers[k].name, value,
                                                            numbers[k].most);
        return;
    }
    if (is(arg, "-D")) {
        add_values(o, a, value_of("-D", argc, argv, i));
    } else if (is(arg, "--compare")) {
        add_reference(o, a, value_of("--compare", argc, argv, i));
    } else if (!strcmp(arg, "--report")) {
        o->report_only = true;
    } else if (!strcmp(arg, "--help")) {
        fputs(usage, stdout);
        exit(0);
    } else {
        bad_usage("unknown option %s", arg);
    }
}

static void parse_options(Study *s, int argc, char **argv) {
    Options *o = &s->options;
    *o = (Options){.seeds = 3, .target = "native"};
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1]) parse_option(o, s->arena, argc, argv, &i);
        else PUSH(s->arena, o->specs, argv[i]);
    }
    if (!o->folder) bad_usage("%s", "which folder? -o DIR");
    if (!o->specs.n && !o->report_only) bad_usage("%s", "which specs?");
}

/* netc stands beside this program; the runtime's library, headers and main.c in the tree that it
 * was built in, or where `make install` puts them. */
static void find_tools(Study *s) {
    char self[4096];
    Arena *a = s->arena;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) fail("cannot find out where netc is: %s", strerror(errno));
    self[n] = 0;
    *strrchr(self, '/') = 0;
    s->tools = arena_strdup(a, self);
    s->library = arena_printf(a, "%s/libnetc.a", self);
    s->include = arena_printf(a, "%s/../include/netc", self);
    s->main_c = arena_printf(a, "%s/../share/netc/main.c", self);
    if (!file_exists(s->library)) s->library = arena_printf(a, "%s/../lib/libnetc.a", self);
    for (const char *up = "/.."; strlen(up) < 12; up = arena_printf(a, "%s/..", up))
        if (file_exists(arena_printf(a, "%s%s/runtime/netc.h", self, up))) {
            s->include = arena_printf(a, "%s%s/runtime", self, up);
            s->main_c = arena_printf(a, "%s/main.c", s->include);
            break;
        }
    s->cc = getenv("CC") && *getenv("CC") ? getenv("CC") : "cc";
}

static void check_tools(Study *s) {
    if (!can_run(s->arena, "gnuplot") || !can_run(s->arena, "dot"))
        fail("the figures of the report are drawn by gnuplot and graphviz, which are not "
             "installed;\nto install them: make deps STUDY=1, or apt-get install gnuplot-nox "
             "graphviz");
    if (s->options.report_only) return;
    if (!file_exists(s->library)) fail("cannot find %s", s->library);
    if (!file_exists(s->main_c)) fail("cannot find %s", s->main_c);
}

/* One study in a folder at a time; the lock goes with the process. */
static void lock(Study *s) {
    int fd = open(arena_printf(s->arena, "%s/lock", s->options.folder),
                  O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) fail("cannot write to %s: %s", s->options.folder, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB)) fail("another study is at work in %s", s->options.folder);
}

static void start_manifest(Study *s) {
    const char *path = arena_printf(s->arena, "%s/manifest.json", s->options.folder);
    char date[32];
    time_t t = time(NULL);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S%z", localtime(&t));
    json_t *old = read_json(path), *sessions = at(old, "sessions"), *keys = json_array();
    for (int i = 0; i < s->runs.n; i++)
        json_array_append_new(keys, json_pack("{ss sI ss}", "model", s->runs.at[i]->model->key,
                                              "seed", (json_int_t)s->runs.at[i]->seed, "key",
                                              s->runs.at[i]->key));
    sessions = sessions ? json_incref(sessions) : json_array();
    json_array_append_new(sessions, json_pack("{ss}", "begun", date));
    s->manifest = json_pack("{ss ss ss ss so so}", "netc", NETC_VERSION, "compiled_with", s->cc,
                            "data", s->data_name, "data_sha256", s->data_hash, "runs", keys,
                            "sessions", sessions);
    write_json(s, path, json_incref(s->manifest));
    json_decref(old);
}

/* What is above a figure that it was to reach. */
static int tell_missed(const json_t *results) {
    int missed = 0;
    for (size_t i = 0; i < json_array_size(at(results, "models")); i++) {
        const json_t *m = json_array_get(at(results, "models"), i), *scores, *score;
        const char *reference, *name;
        json_object_foreach(at(m, "references"), reference, scores) {
            json_object_foreach((json_t *)scores, name, score) {
                if (!json_is_false(json_object_get(score, "reached"))) continue;
                missed++;
                printf("%s: %s %.4f does not reach %s's %.4f\n", string(m, "name"), name,
                       real(json_object_get(m, name), "mean"), reference, real(score, "mean"));
            }
        }
    }
    return missed;
}

/* What is not there as it should be: runs without an end, figures not reached. */
static int tell(Study *s, const json_t *results) {
    int bad = tell_missed(results);
    for (int i = 0; i < s->models.n; i++) bad += s->models.at[i]->fault != NULL;
    for (int i = 0; i < s->runs.n; i++) bad += s->runs.at[i]->state != DONE;
    printf("%s/report.html\n", s->options.folder);
    return bad > 0;
}

static json_t *train_all(Study *s) {
    plan_models(s);
    build_models(s);
    plan_runs(s);
    start_manifest(s);
    measure_speed(s);
    if (!run_jobs(s)) {
        printf("stopped after %d of %d runs; the same command goes on\n",
               runs_in(s, DONE, FAILED), s->runs.n);
        exit(130);
    }
    json_t *results = collect(s);
    compare_models(s, results);
    compare_references(s, results);
    add_exhibits(s, results);
    return results;
}

int main(int argc, char **argv) {
    Study s = {.arena = arena_new(), .began = now()};
    parse_options(&s, argc, argv);
    find_tools(&s);
    check_tools(&s);
    s.processors = (int)s.options.threads;
    cpu_set_t set;
    if (!s.processors) s.processors = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    const char *path = arena_printf(s.arena, "%s/results.json", s.options.folder);
    if (!s.options.report_only) make_folders(s.options.folder);
    json_t *results = s.options.report_only ? read_json(path) : NULL;
    if (s.options.report_only && !results) fail("cannot read %s", path);
    lock(&s);
    if (!results) {
        results = train_all(&s);
        write_json(&s, path, json_incref(results));
        json_decref(results);
        results = read_json(path); /* what the pages show is what the file says */
        if (!results) fail("cannot read %s", path);
    }
    write_tables(&s, results);
    write_report(&s, results);
    int status = s.options.report_only ? 0 : tell(&s, results);
    json_decref(results);
    json_decref(s.manifest);
    arena_free(s.arena);
    return status;
}
