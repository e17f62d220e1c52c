/* plan.c: what is to be trained: specs x values, each compiled to a program, x seeds.
 *
 * A run's key is all that its result depends on: the graph's hash (equal hashes, equal bits), what
 * train { } says, the data, the seed. A run that is there with the same key is not trained again,
 * so the compiler's version and its schedules may change, and so may what a spec says elsewhere.
 */
#define _GNU_SOURCE
#include "dataset.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- models ---- */

static const char *file_stem(Arena *a, const char *path) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t n = strlen(base);
    if (n > 4 && !strcmp(base + n - 4, ".net")) n -= 4;
    return arena_strndup(a, base, n);
}

/* What is fit for the name of a folder. */
static const char *folder_name(Arena *a, const char *key) {
    static const char also[] = "_.=,+-";
    char *name = arena_strdup(a, key);
    for (char *p = name; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || strchr(also, *p);
        if (!plain) *p = '_';
    }
    return name;
}

/* The texts of imported files too, for whoever reads how a network was made. */
static void add_imports(Study *s, Model *m, const char *path, const char *text) {
    const char *slash = strrchr(path, '/'), *line = text;
    for (; line; line = strchr(line, '\n')) {
        char name[256];
        line += *line == '\n';
        if (sscanf(line, " import \"%255[^\"\n]\"", name) != 1) continue;
        const char *file = slash && *name != '/'
                               ? arena_printf(s->arena, "%.*s/%s", (int)(slash - path), path, name)
                               : arena_strdup(s->arena, name);
        const char *imported = read_text(s->arena, file);
        if (!imported || json_object_get(m->imports, file)) continue;
        json_object_set_new(m->imports, file, json_string(imported));
        add_imports(s, m, file, imported);
    }
}

static void add_model(Study *s, const char *spec, const char **value, int n) {
    Arena *a = s->arena;
    Model *m = NEW(a, Model);
    const char *key = file_stem(a, spec);
    for (int i = 0; i < n; i++) {
        PUSH(a, m->values, value[i]);
        key = arena_printf(a, "%s-%s", key, value[i]);
    }
    m->key = folder_name(a, key);
    m->spec = spec;
    m->text = read_text(a, spec);
    if (!m->text) fail("cannot read %s: %s", spec, strerror(errno));
    m->imports = json_object();
    add_imports(s, m, spec, m->text);
    m->folder = arena_printf(a, "%s/build/%s", s->options.folder, m->key);
    for (int i = 0; i < s->models.n; i++)
        if (!strcmp(s->models.at[i]->key, m->key)) fail("two networks are called %s", m->key);
    PUSH(a, s->models, m);
}

/* Every combination of the values of options from `depth` on. */
static void add_models(Study *s, const char *spec, const char **value, int depth) {
    if (depth == s->options.values.n) {
        add_model(s, spec, value, depth);
        return;
    }
    const char *option = s->options.values.at[depth], *equals = strchr(option, '=');
    for (const char *p = equals + 1;; p++) {
        size_t n = strcspn(p, ",");
        value[depth] = arena_printf(s->arena, "%.*s=%.*s", (int)(equals - option), option, (int)n,
                                    p);
        add_models(s, spec, value, depth + 1);
        p += n;
        if (!*p) return;
    }
}

void plan_models(Study *s) {
    const char **value = NEW_ARRAY(s->arena, const char *, s->options.values.n + 1);
    for (int i = 0; i < s->options.specs.n; i++) add_models(s, s->options.specs.at[i], value, 0);
}

/* ---- programs ---- */

static void netc_command(Study *s, const Model *m, Command *c) {
    ADD(s->arena, *c, arena_printf(s->arena, "%s/netc", s->tools));
    for (int i = 0; i < m->values.n; i++) ADD(s->arena, *c, "-D", m->values.at[i]);
}

/* The spec as C, in a file that does not hang on the name of the net. */
static void compile_spec(Study *s, Model *m) {
    Arena *a = s->arena;
    Command c = {0}, list = {0};
    char *output;
    const char *fresh = arena_printf(a, "%s/c", m->folder);
    remove_tree(fresh);
    make_folders(fresh);
    netc_command(s, m, &c);
    ADD(a, c, "--target", s->options.target, m->spec, "-o", fresh);
    if (run_command(a, &c, true, &output)) {
        m->fault = *output ? output : "netc failed";
        return;
    }
    ADD(a, list, "find", fresh, "-name", "*.c");
    run_command(a, &list, false, &output);
    output[strcspn(output, "\n")] = 0;
    m->source = output;
    m->program = arena_printf(a, "%s/%s", m->folder, file_stem(a, m->key));
}

static void add_words(Arena *a, Command *c, const char *words) {
    for (const char *p = words; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        if (n) PUSH(a, *c, arena_strndup(a, p, n));
        p += n;
    }
}

/* Its first line names the flags in parentheses. */
static const char *flags_of(Arena *a, const char *c_text) {
    size_t line = strcspn(c_text, "\n");
    const char *open = memmem(c_text, line, "(-", 2);
    return open ? arena_strndup(a, open + 1, strcspn(open + 1, ")\n")) : "";
}

static void cc_command(Study *s, const Model *m, const char *text, Command *c) {
    Arena *a = s->arena;
    const char *stem = file_stem(a, m->source);
    add_words(a, c, s->cc);
    add_words(a, c, NETC_NETFLAGS);
    add_words(a, c, flags_of(a, text));
    ADD(a, *c, arena_printf(a, "-I%s", s->include),
        arena_printf(a, "-DNETC_NET=%.*s", (int)strlen(stem) - 2, stem), m->source, s->main_c,
        s->library);
    add_words(a, c, NETC_LIBS);
    ADD(a, *c, "-o", arena_printf(a, "%s.part", m->program));
}

/* What the program hangs on: the command, the C, the library. */
static char *stamp_of(Study *s, const Command *c, const char *c_text) {
    char hash[65];
    struct stat library;
    Text t = {.arena = s->arena};
    sha256_text(hash, c_text, strlen(c_text));
    for (int i = 0; i < c->n; i++) text_add(&t, "%s ", c->at[i]);
    if (stat(s->library, &library)) fail("cannot find %s", s->library);
    text_add(&t, "\n%s\n%ld %ld\n", hash, (long)library.st_size, (long)library.st_mtime);
    return t.at;
}

/* Waits for one of the C compilers; true while there are any. */
static bool one_is_built(Study *s, const pid_t *builder, char **stamp) {
    int status;
    pid_t child = wait(&status);
    if (child < 0 && errno == EINTR) fail("interrupted");
    if (child < 0) return false;
    for (int i = 0; i < s->models.n; i++) {
        Model *m = s->models.at[i];
        if (builder[i] != child) continue;
        const char *part = arena_printf(s->arena, "%s.part", m->program);
        if (status || rename(part, m->program))
            m->fault = read_text(s->arena, arena_printf(s->arena, "%s/cc.txt", m->folder));
        else
            write_text(s, arena_printf(s->arena, "%s/stamp", m->folder), stamp[i]);
    }
    return true;
}

static void ask_program(Study *s, Model *m) {
    Command c = {0};
    char *output;
    if (m->fault) return;
    ADD(s->arena, c, m->program, "summary", "--json");
    int status = run_command(s->arena, &c, false, &output);
    m->summary = status ? NULL : json_loads(output, 0, NULL);
    if (!m->summary) m->fault = "its program does not run";
    else if (json_array_size(at(m->summary, "data.classes")) < 2)
        m->fault = "its data has no classes";
    Command network = {0};
    netc_command(s, m, &network);
    ADD(s->arena, network, "--dump=network", m->spec);
    m->network = run_command(s->arena, &network, false, &output) ? "" : output;
}

/* A fault of all is the user's, one of a few is reported with the rest. */
static void check_models(Study *s) {
    int good = 0;
    for (int i = 0; i < s->models.n; i++) {
        const Model *m = s->models.at[i];
        good += !m->fault;
        if (m->fault) fprintf(stderr, "%s cannot be trained:\n%s\n", m->key, m->fault);
    }
    if (!good) fail("none of the networks can be trained");
}

static void check_data(Study *s) {
    const json_t *first = NULL;
    for (int i = 0; i < s->models.n; i++) {
        Model *m = s->models.at[i];
        if (m->fault) continue;
        if (!first) first = m->summary;
        if (!json_equal(at(first, "data.test"), at(m->summary, "data.test")) ||
            !json_equal(at(first, "data.folder"), at(m->summary, "data.folder")))
            fail("%s: tested on %s, but the first network on %s; only what is tested on the same "
                 "samples can be compared",
                 m->key, string(m->summary, "data.name"), string(first, "data.name"));
    }
    s->data_name = string(first, "data.name");
    hash_dataset(s, first);
}

void build_models(Study *s) {
    pid_t *builder = NEW_ARRAY(s->arena, pid_t, s->models.n);
    char **stamp = NEW_ARRAY(s->arena, char *, s->models.n);
    int running = 0;
    printf("compiling %d network%s\n", s->models.n, s->models.n == 1 ? "" : "s");
    for (int i = 0; i < s->models.n; i++) {
        Model *m = s->models.at[i];
        Command c = {0};
        compile_spec(s, m);
        if (m->fault) continue;
        const char *text = read_text(s->arena, m->source);
        cc_command(s, m, text, &c);
        stamp[i] = stamp_of(s, &c, text);
        char *old = read_text(s->arena, arena_printf(s->arena, "%s/stamp", m->folder));
        if (old && !strcmp(old, stamp[i]) && file_exists(m->program)) continue;
        if (running == s->processors && one_is_built(s, builder, stamp)) running--;
        const char *log = arena_printf(s->arena, "%s/cc.txt", m->folder);
        remove(log);
        builder[i] = start(s->arena, &c, log);
        running++;
    }
    while (one_is_built(s, builder, stamp)) {}
    for (int i = 0; i < s->models.n; i++) ask_program(s, s->models.at[i]);
    check_models(s);
    check_data(s);
}

/* ---- runs ---- */

static const char *run_key(Study *s, const Model *m, long seed) {
    json_t *training = json_copy(at(m->summary, "training"));
    json_object_del(training, "seed");
    if (s->options.epochs)
        json_object_set_new(training, "epochs", json_integer(s->options.epochs));
    char *text = json_dumps(training, JSON_SORT_KEYS | JSON_COMPACT);
    const char *key = arena_printf(
        s->arena,
        "graph %s, training %s, use %.17g, validation %.17g, limit %ld, data %s, seed %ld",
        string(m->summary, "hash"), text, real(m->summary, "data.use"),
        real(m->summary, "data.validation"), s->options.limit, s->data_hash, seed);
    free(text);
    json_decref(training);
    return key;
}

static json_t *run_manifest(Study *s, const Run *r) {
    const Model *m = r->model;
    char hash[65];
    json_t *values = json_array();
    for (int i = 0; i < m->values.n; i++)
        json_array_append_new(values, json_string(m->values.at[i]));
    sha256_text(hash, m->text, strlen(m->text));
    return json_pack(
        "{ss ss ss sO ss ss sO so sI sI sI ss ss ss ss}", "key", r->key, "spec", m->spec, "graph",
        string(m->summary, "hash"), "training", at(m->summary, "training"), "spec_text", m->text,
        "spec_sha256", hash, "imports", m->imports, "values", values, "seed",
        (json_int_t)r->seed, "epochs", (json_int_t)r->epochs, "limit",
        (json_int_t)s->options.limit, "data", s->data_name, "data_sha256", s->data_hash, "netc",
        NETC_VERSION, "compiled_with", s->cc);
}

/* Over already, begun, or new? */
static void find_run(Study *s, Run *r) {
    const char *folder = r->folder;
    json_t *manifest = read_json(arena_printf(s->arena, "%s/manifest.json", folder));
    json_t *done = read_json(arena_printf(s->arena, "%s/done.json", folder));
    if (strcmp(string(manifest, "key"), r->key)) {
        remove_tree(folder);
        make_folders(folder);
        write_json(s, arena_printf(s->arena, "%s/manifest.json", folder), run_manifest(s, r));
    } else if (done) {
        r->state = !strcmp(string(done, "status"), "done") ? DONE : DIVERGED;
        r->message = arena_strdup(s->arena, string(done, "message"));
    }
    json_decref(manifest);
    json_decref(done);
}

void plan_runs(Study *s) {
    for (int i = 0; i < s->models.n; i++) {
        Model *m = s->models.at[i];
        for (long seed = 1; seed <= s->options.seeds && !m->fault; seed++) {
            Run *r = NEW(s->arena, Run);
            r->model = m;
            r->seed = seed;
            r->folder = arena_printf(s->arena, "%s/runs/%s/seed-%ld", s->options.folder, m->key,
                                     seed);
            r->key = run_key(s, m, seed);
            r->epochs = s->options.epochs ? s->options.epochs
                                          : (long)real(m->summary, "training.epochs");
            find_run(s, r);
            PUSH(s->arena, s->runs, r);
        }
    }
}
