/* support.h: what every pass leans on: arenas, strings, growing arrays, maps, and failure.
 *
 * Memory belongs to arenas by lifetime: one per compile, freed whole. Nothing in compiler/ frees
 * single objects. Three kinds of failure are kept apart: the user's mistakes are diagnostics
 * (diag.h), ours end the process through die(), the world's are return values.
 */
#ifndef NETC_SUPPORT_H
#define NETC_SUPPORT_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define COUNT_OF(a) ((int)(sizeof(a) / sizeof *(a)))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

typedef struct Arena Arena;

Arena *arena_new(void);
void arena_free(Arena *a);
/* Zeroed memory, aligned for any object; ends the process when there is none. */
void *arena_alloc(Arena *a, size_t bytes);
#define NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define NEW_ARRAY(arena, type, n) ((type *)arena_alloc((arena), sizeof(type) * (size_t)(n)))
char *arena_strdup(Arena *a, const char *s);
char *arena_strndup(Arena *a, const char *s, size_t n);
char *arena_printf(Arena *a, const char *format, ...) PRINTF_LIKE(2, 3);

/* A growing array in an arena: declare VEC(T) v, zeroed, then PUSH(arena, v, x). */
#define VEC(T)      \
    struct {        \
        T *at;      \
        int n, cap; \
    }
#define PUSH(arena, v, x)                                                                       \
    ((v).n == (v).cap                                                                           \
         ? (void)((v).at = vec_grow((arena), (v).at, &(v).cap, sizeof *(v).at))                 \
         : (void)0,                                                                             \
     (v).at[(v).n++] = (x))
void *vec_grow(Arena *a, void *at, int *cap, size_t size);

/* A string under construction. */
typedef struct Text {
    Arena *arena;
    char *at; /* always ends in a zero byte once something was added */
    size_t n, cap;
} Text;
void text_add(Text *t, const char *format, ...) PRINTF_LIKE(2, 3);
void text_addv(Text *t, const char *format, va_list args);

/* Maps from pointers, or from strings (by content), to pointers. */
typedef struct Map Map;
Map *map_new(Arena *a);
void *map_get(const Map *m, const void *key);
void map_set(Map *m, const void *key, void *value);
Map *names_new(Arena *a);
void *names_get(const Map *m, const char *key);
void names_set(Map *m, const char *key, void *value);

uint64_t hash_bytes(const void *at, size_t n, uint64_t seed); /* FNV-1a */

/* The name in names[0..n) nearest to `name` by edit distance, or null when none is near. */
const char *nearest_name(const char *name, const char *const *names, int n);

/* A bug in the compiler: prints where and what, and aborts. */
#define die(...) die_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void die_at(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4);
#endif
