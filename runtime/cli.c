/* cli.c: the command line of a trained program. One table says what each option is, where it goes,
 * and which commands take it; parsing, checking and --help all come from it.
 */
#include "internal.h"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

enum { TRAIN = 1, EVAL = 2, PREDICT = 4, BENCH = 8, SUMMARY = 16 };

static const struct command {
    const char *name, *arguments, *help;
    unsigned bit;
    int (*run)(const netc_net *net, const netc_options *o);
} commands[] = {
    {"train", "", "train, and save the weights", TRAIN, netc_train_command},
    {"eval", "", "measure saved weights on the test samples", EVAL, netc_eval_command},
    {"predict", " FILE...", "classify PNG pictures or IDX files", PREDICT, netc_predict_command},
    {"bench", "", "measure the speed of training", BENCH, netc_bench_command},
    {"summary", "", "print the table of layers", SUMMARY, netc_summary_command},
};

typedef enum { TEXT, NUMBER, SEED, SECONDS, FLAG } Kind;

static const struct option {
    const char *name, *argument, *help;
    Kind kind;
    size_t at;
    unsigned commands;
    long most;
} options[] = {
#define AT(member) offsetof(netc_options, member)
    {"--data", "FOLDER", "where the data set is (else NETC_DATA, else the package's)", TEXT,
     AT(data), TRAIN | EVAL | PREDICT | BENCH, 0},
    {"--epochs", "N", "train so many epochs in all, not the spec's number", NUMBER, AT(epochs),
     TRAIN, 1000000},
    {"--steps", "N", "stop after so many steps in all, as if interrupted", NUMBER, AT(steps),
     TRAIN, LONG_MAX},
    {"--seed", "N", "of initial weights, order of samples and draws", SEED, AT(seed),
     TRAIN | BENCH, 0},
    {"--save", "FILE", "save here, not in NAME.safetensors", TEXT, AT(save), TRAIN, 0},
    {"--resume", "FILE", "go on from a saved training, to the same bits as if never stopped", TEXT,
     AT(resume), TRAIN, 0},
    {"--start", "FILE", "begin with the weights in it whose names and shapes fit", TEXT, AT(start),
     TRAIN, 0},
    {"--log", "FILE", "append a JSON object for each epoch", TEXT, AT(log), TRAIN, 0},
    {"--train-samples", "N", "after each epoch measure N of the training samples too", NUMBER,
     AT(train_samples), TRAIN, INT32_MAX},
    {"--predictions", "FILE", "write what is predicted for each sample, as CSV", TEXT,
     AT(predictions), EVAL, 0},
    {"--weights", "FILE", "load these, not NAME.safetensors", TEXT, AT(weights), EVAL | PREDICT, 0},
    {"--limit", "N", "use only the first N samples of each file", NUMBER, AT(limit),
     TRAIN | EVAL | PREDICT | BENCH, INT32_MAX},
    {"--threads", "N", "threads (else one for each processor)", NUMBER, AT(threads),
     TRAIN | EVAL | PREDICT | BENCH, 1024},
    {"--resident", NULL, "train on 4,096 prepared samples, in order in memory", FLAG, AT(resident),
     BENCH, 0},
    {"--profile", NULL, "also tell the time of each kernel (of programs from netc --profile)",
     FLAG, AT(profile), BENCH, 0},
    {"--inference", NULL, "measure prediction: one sample, and batches", FLAG, AT(inference), BENCH,
     0},
    {"--seconds", "S", "measure for about so long (else 5)", SECONDS, AT(seconds), BENCH, 0},
    {"--json", NULL, "print JSON", FLAG, AT(json), TRAIN | EVAL | PREDICT | BENCH | SUMMARY, 0},
#undef AT
};

enum { N_COMMANDS = sizeof commands / sizeof *commands,
       N_OPTIONS = sizeof options / sizeof *options };

int netc_report(const netc_options *o, const netc_error *error) {
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", o->program, error->text);
    return 1;
}

/* ---- help ---- */

static void general_help(FILE *f, const netc_net *net, const char *program) {
    fprintf(f, "usage: %s COMMAND [OPTION]...\nThe network %s, compiled by netc.\n\ncommands:\n",
            program, net->name);
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(f, "  %s%-*s  %s\n", commands[i].name, (int)(16 - strlen(commands[i].name)),
                commands[i].arguments, commands[i].help);
    fprintf(f, "\n`%s COMMAND --help` tells a command's options; `%s --version` the version.\n",
            program, program);
}

static int command_help(const struct command *c, const netc_options *o) {
    printf("usage: %s %s [OPTION]...%s\n%s\n\noptions:\n", o->program, c->name, c->arguments,
           c->help);
    for (int i = 0; i < N_OPTIONS; i++) {
        char left[64];
        if (!(options[i].commands & c->bit)) continue;
        snprintf(left, sizeof left, "%s %s", options[i].name,
                 options[i].argument ? options[i].argument : "");
        printf("  %-16s  %s\n", left, options[i].help);
    }
    return 0;
}

static int usage(const netc_options *o, const char *format, ...) PRINTF_LIKE(2, 3);
static int usage(const netc_options *o, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", o->program);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry `%s%s%s --help`.\n", o->program, o->command ? " " : "",
            o->command ? o->command : "");
    return 2;
}

/* ---- options ---- */

static bool whole_number(const char *s, uint64_t most, uint64_t *x) {
    char *end;
    errno = 0;
    *x = strtoull(s, &end, 10);
    return *s >= '0' && *s <= '9' && !*end && !errno && *x <= most;
}

static bool set_option(netc_options *o, const struct option *option, const char *value) {
    void *at = (char *)o + option->at;
    uint64_t n;
    char *end;
    switch (option->kind) {
    case FLAG:
        *(bool *)at = true;
        return true;
    case TEXT:
        *(const char **)at = value;
        return *value;
    case NUMBER:
        if (!whole_number(value, (uint64_t)option->most, &n) || !n) return false;
        *(long *)at = (long)n;
        return true;
    case SEED:
        o->has_seed = true;
        return whole_number(value, UINT64_MAX, &o->seed);
    case SECONDS:
        *(double *)at = strtod(value, &end);
        return *value && !*end && *(double *)at > 0 && *(double *)at <= 86400;
    }
    return false;
}

static const struct option *find_option(const char *text, size_t n, unsigned bit) {
    for (int i = 0; i < N_OPTIONS; i++)
        if (strlen(options[i].name) == n && !strncmp(options[i].name, text, n) &&
            (options[i].commands & bit))
            return &options[i];
    return NULL;
}

/* One option at argv[*i], its value after '=' or in the next argument; 0, or the exit status. */
static int parse_option(netc_options *o, const struct command *c, int argc, char **argv, int *i) {
    const char *text = argv[*i], *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : strlen(text);
    const struct option *option = find_option(text, n, c->bit);
    const char *value = equals ? equals + 1 : NULL;
    if (!option) return usage(o, "unknown option '%s'", text);
    if (option->kind == FLAG && value) return usage(o, "%s takes no value", option->name);
    if (option->kind != FLAG && !value) {
        if (*i + 1 >= argc) return usage(o, "%s needs a value", option->name);
        value = argv[++*i];
    }
    if (set_option(o, option, value)) return 0;
    return usage(o, "impossible value '%s' for %s", value, option->name);
}

static int run_command(const netc_net *net, const struct command *c, netc_options *o, int argc,
                       char **argv) {
    int status = 0;
    o->command = c->name;
    o->file = argv; /* arguments that are no options are moved here */
    for (int i = 2; i < argc && !status; i++) {
        if (!strcmp(argv[i], "--help")) return command_help(c, o);
        if (argv[i][0] == '-' && argv[i][1]) status = parse_option(o, c, argc, argv, &i);
        else if (c->bit != PREDICT) status = usage(o, "unexpected argument '%s'", argv[i]);
        else o->file[o->n_files++] = argv[i];
    }
    if (status) return status;
    if (c->bit == PREDICT && !o->n_files) return usage(o, "no file to classify");
    return c->run(net, o);
}

static int version(const netc_net *net) {
    printf("%s: compiled by netc%s%s for %s, graph %016llx, runtime interface %d\n", net->name,
           net->version ? " " : "", net->version ? net->version : "", net->target,
           (unsigned long long)net->hash, net->abi);
    return 0;
}

static int dispatch(const netc_net *net, netc_options *o, int argc, char **argv) {
    if (argc < 2) {
        general_help(stderr, net, o->program);
        return 2;
    }
    if (!strcmp(argv[1], "--version")) return version(net);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
        general_help(stdout, net, o->program);
        return 0;
    }
    for (int i = 0; i < N_COMMANDS; i++)
        if (!strcmp(argv[1], commands[i].name))
            return run_command(net, &commands[i], o, argc, argv);
    return usage(o, "unknown %s '%s'", argv[1][0] == '-' ? "option" : "command", argv[1]);
}

int netc_main(const netc_net *net, int argc, char **argv) {
    netc_options o = {.program = argc > 0 ? argv[0] : net->name};
    signal(SIGXFSZ, SIG_IGN); /* writing then fails, and that is told */
    int status = dispatch(net, &o, argc, argv);
    errno = 0;
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "%s: cannot write the output: %s\n", o.program, strerror(errno));
        return status ? status : 1;
    }
    return status;
}
