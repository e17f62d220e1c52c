/* c_names.c: words of C, of the runtime's headers, and of the library that programs are linked to.
 */
#include "c_names.h"
#include "support.h"
#include <ctype.h>
#include <string.h>

/* Sorted, as the other tables. */
static const char *const words[] = {
    "alignas", "alignof", "asm", "auto", "bool", "break", "case", "char", "complex", "const",
    "constexpr", "continue", "default", "do", "double", "else", "enum", "extern", "false", "float",
    "for", "goto", "if", "imaginary", "inline", "int", "int32_t", "int8_t", "linux", "long",
    "nullptr", "register", "restrict", "return", "short", "signed", "size_t", "sizeof", "static",
    "static_assert", "struct", "switch", "thread_local", "true", "typedef", "typeof", "uint32_t",
    "uint64_t", "uint8_t", "union", "unix", "unsigned", "vb", "vf", "vi", "vm", "void", "volatile",
    "vu", "vub", "vul", "while",
};

static const char *const families[] = {"__", "NETC", "netc", "vb_", "vf_", "vi_", "vm_", "vu_"};

/* What generated files define at their outermost level, and what the runtime calls. */
static const char *const objects[] = {
    "abort", "abs", "access", "acos", "aligned_alloc", "asin", "atan", "atan2", "atoi", "atol",
    "calloc", "cbrt", "ceil", "classes", "clock", "close", "copysign", "cos", "cosh", "div", "dup",
    "environ", "erf", "eval", "exit", "exp", "fabs", "fclose", "fdopen", "fflush", "fileno",
    "floor", "fma", "fmod", "fopen", "fork", "fprintf", "fputc", "fputs", "fread", "free", "frexp",
    "fseek", "fstat", "fsync", "ftell", "fwrite", "getc", "getenv", "getpid", "gmtime", "hypot",
    "index", "init", "ioctl", "isatty", "kill", "labs", "layers", "ldexp", "link", "localtime",
    "log", "log1p", "log2", "longjmp", "lrint", "lseek", "main", "malloc", "memchr", "memcmp",
    "memcpy", "memmove", "memset", "mkdir", "mmap", "munmap", "open", "optarg", "pause", "perror",
    "pipe", "pow", "predict", "prepare", "printf", "putchar", "putenv", "puts", "qsort", "raise",
    "rand", "random", "rate", "read", "realloc", "remove", "rename", "rewind", "rint", "rmdir",
    "round", "select", "send", "setjmp", "sigaction", "signal", "sin", "sinh", "sleep", "snprintf",
    "sprintf", "sqrt", "srand", "stat", "stderr", "stdin", "stdout", "strchr", "strcmp", "strcpy",
    "strdup", "strerror", "strlen", "strncmp", "strstr", "strtod", "strtol", "strtoull", "sync",
    "sysconf", "system", "tan", "tanh", "tensors", "time", "train", "trunc", "ungetc", "unlink",
    "usleep", "vfprintf", "vprintf", "wait", "write",
};

static bool is_in(const char *name, const char *const *table, int n) {
    for (int i = 0; i < n; i++)
        if (!strcmp(table[i], name)) return true;
    return false;
}

bool c_reserved(const char *name) {
    for (int i = 0; i < COUNT_OF(families); i++)
        if (!strncmp(name, families[i], strlen(families[i]))) return true;
    return (name[0] == '_' && isupper((unsigned char)name[1])) ||
           is_in(name, words, COUNT_OF(words));
}

bool c_taken(const char *name) {
    return c_reserved(name) || is_in(name, objects, COUNT_OF(objects));
}
