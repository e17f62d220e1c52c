/* front.h: the entrance to the front end, for whoever needs no look at the tree (tree.h). */
#ifndef NETC_FRONT_H
#define NETC_FRONT_H
#include "diag.h"

typedef struct File File;

/* The tree of a text; errors go to d, and what could not be understood is left out. Null only
 * where nothing could be made of it (not UTF-8, nested too deep). */
File *parse_text(Arena *a, Diags *d, const char *file_name, const char *text);
/* The same for text that may hold zero bytes (which are reported). */
File *parse_bytes(Arena *a, Diags *d, const char *file_name, const char *text, size_t n);
#endif
