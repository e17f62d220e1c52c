/* util.c: memory, failure, the clock, and the little JSON that is written. */
#include "internal.h"
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Large tensors lie in huge pages where the system has them: their rows are often a page apart, and
 * each page would need an entry of its own in the processor's tables. */
void *netc_alloc(size_t bytes) {
    enum { HUGE_PAGE = 2 << 20 };
    size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : NETC_ALIGN;
    if (bytes > SIZE_MAX - 2 * align) return NULL;
    size_t rounded = (bytes + NETC_ALIGN + align - 1) / align * align; /* see netc_call */
    void *at = aligned_alloc(align, rounded);
#ifdef MADV_HUGEPAGE
    if (at && align == HUGE_PAGE) madvise(at, rounded, MADV_HUGEPAGE); /* advice: it may fail */
#endif
    if (at) memset(at, 0, rounded);
    return at;
}

void *netc_grow(void *at, long *capacity, long needed, size_t size) {
    if (needed <= *capacity) return at;
    long n = *capacity ? *capacity : 16;
    while (n < needed) n += n / 2;
    void *grown = realloc(at, (size_t)n * size);
    if (grown) *capacity = n;
    return grown;
}

bool netc_fail(netc_error *error, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return false;
}

void netc_fail_more(netc_error *error, const char *format, ...) {
    size_t n = strlen(error->text);
    va_list args;
    va_start(args, format);
    vsnprintf(error->text + n, sizeof error->text - n, format, args);
    va_end(args);
}

double netc_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Field 22 of /proc/self/stat, counted from behind the program's name, which may hold anything. */
double netc_process_seconds(void) {
    char text[1024];
    FILE *f = fopen("/proc/self/stat", "r");
    if (!f) return netc_nan();
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
    struct timespec t;
    long ticks = sysconf(_SC_CLK_TCK);
    if (!at || ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &t)) return netc_nan();
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec - strtod(at, NULL) / (double)ticks;
}

long netc_round_up(long n, long to) { return (n + to - 1) / to * to; }

long netc_elements(int rank, const long *shape) {
    long n = 1;
    for (int i = 0; i < rank; i++) n *= shape[i];
    return n;
}

void netc_shape_text(char *to, size_t size, int rank, const long *shape) {
    size_t n = 0;
    for (int i = 0; i < rank && n < size; i++)
        n += (size_t)snprintf(to + n, size - n, "%s%ld", i ? ", " : "[", shape[i]);
    if (n < size) snprintf(to + n, size - n, "%s", rank ? "]" : "[]");
}

void netc_json_string(FILE *f, const char *s) {
    fputc('"', f);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') fprintf(f, "\\%c", c);
        else if (c < 0x20) fprintf(f, "\\u%04x", c);
        else fputc(c, f);
    }
    fputc('"', f);
}

void netc_json_number(FILE *f, double x) {
    if (x - x == 0) fprintf(f, "%.9g", x);
    else fputs("null", f);
}
