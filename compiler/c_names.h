/* c_names.h: which names mean something in generated C already. */
#ifndef NETC_C_NAMES_H
#define NETC_C_NAMES_H
#include <stdbool.h>

/* A word of C, or of the headers that generated code includes. */
bool c_reserved(const char *name);
/* One that a net cannot have either, since its name is that of an object in the linked program. */
bool c_taken(const char *name);
#endif
