/* jit.c: from loop IR to a running program. The program's main (the runtime's) starts at once and
 * reads its data, while threads compile what it will call: each function is a stub first, which
 * waits for the real one. What training needs comes first.
 */
#include "jit.h"
#include "jit_code.h"
#include "print.h"
#include "print_llvm.h"
#include <pthread.h>
#include <string.h>
#include <unistd.h>

const bool jit_here = true;

enum { MAX_WORKERS = 8 };

typedef struct Work { /* a part of a function */
    LLVMContextRef context;
    LLVMModuleRef module;
    int function;
    bool taken;
} Work;

typedef struct Jit {
    const Compiled *x;
    CodeSpace *space;
    FILE *map; /* for perf, or null */
    Arena *names[N_FUNCTIONS]; /* with a map: of `code`, made by the parts as they are done */
    VEC(CodeNames *) code[N_FUNCTIONS];
    netc_function *_Atomic ready[N_FUNCTIONS];
    bool wanted[N_FUNCTIONS];
    int left[N_FUNCTIONS]; /* parts not compiled yet */
    VEC(Work) queue;
    bool printed; /* all is in the queue */
    _Atomic bool quit;
    pthread_t worker[MAX_WORKERS];
    int n_workers;
    pthread_mutex_t mutex;
    pthread_cond_t more, done;
} Jit;

/* Training is worth the most, and is cut in parts for several threads. */
static const int order[N_FUNCTIONS] = {FUNCTION_TRAIN, FUNCTION_INIT, FUNCTION_PREPARE,
                                       FUNCTION_EVAL, FUNCTION_PREDICT, FUNCTION_SETTLE};
static const int parts[N_FUNCTIONS] = {1, 1, 4, 1, 1, 1};
static const CodeEffort effort[N_FUNCTIONS] = {CODE_ONCE, CODE_HOT, CODE_HOT, CODE_SOME,
                                               CODE_SOME, CODE_SOME};

static void dispose(const Work *w) {
    LLVMDisposeModule(w->module);
    LLVMContextDispose(w->context);
}

/* What a stub calls: the function, once there is one. */
static netc_function *await(Jit *j, int function) {
    netc_function *f = j->ready[function];
    if (f) return f;
    pthread_mutex_lock(&j->mutex);
    j->wanted[function] = true;
    while (!j->ready[function]) pthread_cond_wait(&j->done, &j->mutex);
    pthread_mutex_unlock(&j->mutex);
    return j->ready[function];
}

/* Is any part left that needs compiling? What is waited for goes first. */
static bool take(Jit *j, Work *w) {
    int best = -1;
    for (int i = 0; i < j->queue.n && !j->quit; i++) {
        if (j->queue.at[i].taken) continue;
        if (best < 0 || (j->wanted[j->queue.at[i].function] &&
                         !j->wanted[j->queue.at[best].function]))
            best = i;
    }
    if (best < 0) return false;
    j->queue.at[best].taken = true;
    *w = j->queue.at[best];
    return true;
}

static void note_names(Jit *j, int function, LLVMMemoryBufferRef object) {
    pthread_mutex_lock(&j->mutex);
    if (!j->names[function]) j->names[function] = arena_new();
    Arena *a = j->names[function];
    PUSH(a, j->code[function], code_names(a, object));
    pthread_mutex_unlock(&j->mutex);
}

/* Lines of the file that perf reads: where, how long, what. */
static void write_names(Jit *j, int function) {
    for (int i = 0; i < j->code[function].n; i++) {
        const CodeNames *names = j->code[function].at[i];
        for (int k = 0; k < names->n; k++)
            fprintf(j->map, "%lx %lx %s\n", (long)(uintptr_t)code_find(j->space, names->at[k].name),
                    (long)names->at[k].size, names->at[k].name);
    }
    fflush(j->map);
    arena_free(j->names[function]);
    j->names[function] = NULL;
}

/* All parts are there: what they call can be found. */
static void link_function(Jit *j, int function) {
    char name[512];
    snprintf(name, sizeof name, "%s_%s", j->x->program->name, function_names[function]);
    void *f = code_find(j->space, name);
    pthread_mutex_lock(&j->mutex);
    if (j->map) write_names(j, function);
    j->ready[function] = (netc_function *)f;
    pthread_cond_broadcast(&j->done);
    pthread_mutex_unlock(&j->mutex);
}

static void compile_part(Jit *j, const Work *w) {
    LLVMMemoryBufferRef object = code_compile(w->module, effort[w->function], LLVMObjectFile);
    if (j->map) note_names(j, w->function, object);
    code_add(j->space, object);
    dispose(w);
    pthread_mutex_lock(&j->mutex);
    bool whole = --j->left[w->function] == 0;
    pthread_mutex_unlock(&j->mutex);
    if (whole) link_function(j, w->function);
}

static void *compiler(void *context) {
    Jit *j = context;
    for (;;) {
        Work w;
        pthread_mutex_lock(&j->mutex);
        bool any;
        while (!(any = take(j, &w)) && !j->printed && !j->quit)
            pthread_cond_wait(&j->more, &j->mutex);
        pthread_mutex_unlock(&j->mutex);
        if (!any) return NULL;
        compile_part(j, &w);
    }
}

static void print_part(Jit *j, int function, int part) {
    const Compiled *x = j->x;
    Work w = {.context = LLVMContextCreate(), .function = function};
    w.module = print_llvm(w.context, x->program->name, x->function[function], part,
                          parts[function], function == FUNCTION_INIT);
    pthread_mutex_lock(&j->mutex);
    PUSH(x->program->arena, j->queue, w);
    pthread_cond_signal(&j->more);
    pthread_mutex_unlock(&j->mutex);
}

/* The one thread that prints, since that takes the program's pool and arena. */
static void *printer(void *context) {
    Jit *j = context;
    for (int i = 0; i < N_FUNCTIONS; i++) {
        int n = compiled_has(j->x, order[i]) ? parts[order[i]] : 0;
        for (int k = 0; k < n && !j->quit; k++) print_part(j, order[i], k);
    }
    pthread_mutex_lock(&j->mutex);
    j->printed = true;
    pthread_cond_broadcast(&j->more);
    pthread_mutex_unlock(&j->mutex);
    return compiler(j);
}

static void start(Jit *j) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    j->n_workers = processors < 1 ? 1 : processors > MAX_WORKERS ? MAX_WORKERS : (int)processors;
    for (int i = 0; i < j->n_workers; i++)
        if (pthread_create(&j->worker[i], NULL, i ? compiler : printer, j))
            die("no thread to compile with");
}

static void stop(Jit *j) {
    pthread_mutex_lock(&j->mutex);
    j->quit = true;
    pthread_cond_broadcast(&j->more);
    pthread_mutex_unlock(&j->mutex);
    for (int i = 0; i < j->n_workers; i++) pthread_join(j->worker[i], NULL);
    for (int i = 0; i < j->queue.n; i++)
        if (!j->queue.at[i].taken) dispose(&j->queue.at[i]);
}

/* What is measured then has the processors to itself. */
static void await_all(void *context) {
    Jit *j = context;
    for (int i = 0; i < N_FUNCTIONS; i++)
        if (compiled_has(j->x, i)) await(j, i);
}

static void make_stubs(Jit *j, netc_net *net) {
    netc_function **member[N_FUNCTIONS] = {&net->init, &net->prepare, &net->train, &net->eval,
                                           &net->predict, &net->settle};
    Program *p = j->x->program;
    Work w = {.context = LLVMContextCreate()};
    w.module = print_llvm_stubs(w.context, p->name, j->x->function, N_FUNCTIONS, j);
    code_add(j->space, code_compile(w.module, CODE_GLUE, LLVMObjectFile));
    dispose(&w);
    for (int i = 0; i < N_FUNCTIONS; i++) {
        if (!compiled_has(j->x, i)) continue;
        *member[i] = (netc_function *)code_find(
            j->space, arena_printf(p->arena, "%s_stub_%s", p->name, function_names[i]));
    }
    if (p->training.rate)
        net->rate = (double (*)(const netc_call *))code_find(
            j->space, arena_printf(p->arena, "%s_rate", p->name));
}

static FILE *open_map(void) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%ld.map", (long)getpid());
    FILE *f = fopen(path, "w");
    if (!f) fprintf(stderr, "netc: cannot write %s\n", path);
    return f;
}

int jit_main(const Compiled *x, bool perf, int argc, char **argv) {
    Jit j = {.x = x, .map = perf ? open_map() : NULL};
    memcpy(j.left, parts, sizeof parts);
    pthread_mutex_init(&j.mutex, NULL);
    pthread_cond_init(&j.more, NULL);
    pthread_cond_init(&j.done, NULL);
    code_start();
    j.space = code_space_new(x->program->arena, llvm_symbols, n_llvm_symbols);
    code_define(j.space, &(LlvmSymbol){"netc_await", (void *)await}, 1);
    netc_net *net = describe(x);
    make_stubs(&j, net);
    net->await_compiler = await_all;
    net->compiler = &j;
    start(&j);
    int status = netc_main(net, argc, argv);
    stop(&j);
    code_space_free(j.space);
    for (int i = 0; i < N_FUNCTIONS; i++)
        if (j.names[i]) arena_free(j.names[i]);
    if (j.map) fclose(j.map);
    pthread_cond_destroy(&j.done);
    pthread_cond_destroy(&j.more);
    pthread_mutex_destroy(&j.mutex);
    return status;
}

void jit_dump(Text *t, const Compiled *x, const char *stage) {
    code_start();
    for (int i = 0; i < N_FUNCTIONS; i++) {
        if (!compiled_has(x, i)) continue;
        Work w = {.context = LLVMContextCreate()};
        w.module = print_llvm(w.context, x->program->name, x->function[i], 0, 1,
                              i == FUNCTION_INIT);
        if (!strcmp(stage, "llvm")) {
            code_optimize(w.module, effort[i]);
            char *text = LLVMPrintModuleToString(w.module);
            text_add(t, "%s", text);
            LLVMDisposeMessage(text);
        } else {
            LLVMMemoryBufferRef text = code_compile(w.module, effort[i], LLVMAssemblyFile);
            text_add(t, "%.*s", (int)LLVMGetBufferSize(text), LLVMGetBufferStart(text));
            LLVMDisposeMemoryBuffer(text);
        }
        dispose(&w);
    }
}
