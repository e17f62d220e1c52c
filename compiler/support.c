/* support.c: see support.h. */
#include "support.h"
#include <stdlib.h>
#include <string.h>

typedef struct Chunk {
    struct Chunk *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
} Chunk;

struct Arena {
    Chunk *chunk;
};

enum { CHUNK = 1 << 16 };

void die_at(const char *file, int line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "netc: internal error at %s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

Arena *arena_new(void) {
    Arena *a = calloc(1, sizeof *a);
    if (!a) die("out of memory");
    return a;
}

void arena_free(Arena *a) {
    if (!a) return;
    for (Chunk *c = a->chunk, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(a);
}

void *arena_alloc(Arena *a, size_t bytes) {
    bytes = (bytes + 15) & ~(size_t)15;
    Chunk *c = a->chunk;
    if (!c || c->size - c->used < bytes) {
        size_t size = bytes > CHUNK / 4 ? bytes : CHUNK;
        Chunk *new = calloc(1, sizeof *new + size);
        if (!new) die("out of memory");
        new->size = size;
        if (c && size == bytes) { /* a large object: the current chunk stays the one in use */
            new->used = bytes;
            new->next = c->next;
            c->next = new;
            return new->bytes;
        }
        new->next = c;
        a->chunk = c = new;
    }
    void *p = c->bytes + c->used;
    c->used += bytes;
    return p;
}

char *arena_strndup(Arena *a, const char *s, size_t n) {
    char *p = arena_alloc(a, n + 1);
    memcpy(p, s, n);
    return p;
}

char *arena_strdup(Arena *a, const char *s) {
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(Arena *a, const char *format, ...) {
    Text t = {.arena = a};
    va_list args;
    va_start(args, format);
    text_addv(&t, format, args);
    va_end(args);
    return t.at ? t.at : arena_strdup(a, "");
}

void *vec_grow(Arena *a, void *at, int *cap, size_t size) {
    int more = *cap ? 2 * *cap : 8;
    void *p = arena_alloc(a, (size_t)more * size);
    if (at) memcpy(p, at, (size_t)*cap * size);
    *cap = more;
    return p;
}

void text_addv(Text *t, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0) die("vsnprintf failed on '%s'", format);
    if (t->n + (size_t)n + 1 > t->cap) {
        size_t cap = t->cap ? t->cap : 64;
        while (cap < t->n + (size_t)n + 1) cap *= 2;
        char *p = arena_alloc(t->arena, cap);
        if (t->n) memcpy(p, t->at, t->n);
        t->at = p;
        t->cap = cap;
    }
    vsnprintf(t->at + t->n, (size_t)n + 1, format, again);
    t->n += (size_t)n;
    va_end(again);
}

void text_add(Text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    text_addv(t, format, args);
    va_end(args);
}

uint64_t hash_bytes(const void *at, size_t n, uint64_t seed) {
    const unsigned char *p = at;
    uint64_t h = seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* Open addressing with linear probing; never shrinks, never removes. */
struct Map {
    Arena *arena;
    struct Slot {
        const void *key;
        void *value;
    } *slot;
    size_t n, size; /* size is a power of two */
    bool by_content;
};

static Map *map_make(Arena *a, bool by_content) {
    Map *m = NEW(a, Map);
    m->arena = a;
    m->size = 16;
    m->slot = NEW_ARRAY(a, struct Slot, m->size);
    m->by_content = by_content;
    return m;
}

static struct Slot *map_slot(const Map *m, const void *key) {
    uint64_t h = m->by_content ? hash_bytes(key, strlen(key), 0)
                               : ((uint64_t)(uintptr_t)key >> 4) * 0x9e3779b97f4a7c15u;
    for (size_t i = h ^ h >> 32;; i++) {
        struct Slot *s = &m->slot[i & (m->size - 1)];
        if (!s->key || s->key == key || (m->by_content && !strcmp(s->key, key))) return s;
    }
}

static void *map_find(const Map *m, const void *key) {
    struct Slot *s = map_slot(m, key);
    return s->key ? s->value : NULL;
}

static void map_put(Map *m, const void *key, void *value) {
    if (2 * (m->n + 1) > m->size) {
        struct Slot *old = m->slot;
        size_t size = m->size;
        m->size *= 2;
        m->slot = NEW_ARRAY(m->arena, struct Slot, m->size);
        for (size_t i = 0; i < size; i++)
            if (old[i].key) *map_slot(m, old[i].key) = old[i];
    }
    struct Slot *s = map_slot(m, key);
    if (!s->key) m->n++;
    *s = (struct Slot){key, value};
}

Map *map_new(Arena *a) { return map_make(a, false); }
void *map_get(const Map *m, const void *key) { return map_find(m, key); }
void map_set(Map *m, const void *key, void *value) { map_put(m, key, value); }
Map *names_new(Arena *a) { return map_make(a, true); }
void *names_get(const Map *m, const char *key) { return map_find(m, key); }
void names_set(Map *m, const char *key, void *value) { map_put(m, key, value); }

/* Levenshtein distance, given up beyond the limit; names longer than the row are far. */
static int edit_distance(const char *a, const char *b) {
    enum { LONGEST = 64 };
    int row[LONGEST + 1], n = (int)strlen(b);
    if (n > LONGEST || strlen(a) > LONGEST) return LONGEST;
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[n];
}

const char *nearest_name(const char *name, const char *const *names, int n) {
    const char *best = NULL;
    int limit = (int)strlen(name) / 3 + 1, least = limit + 1;
    for (int i = 0; i < n; i++) {
        int d = edit_distance(name, names[i]);
        if (d < least && d < (int)strlen(names[i])) {
            least = d;
            best = names[i];
        }
    }
    return best;
}
