/* prelude.h: the library's text, embedded in the program (made by embed.sh). */
#ifndef NETC_PRELUDE_H
#define NETC_PRELUDE_H
typedef struct PreludeFile {
    const char *name, *text;
} PreludeFile;
extern const PreludeFile prelude_files[];
extern const int n_prelude_files;
#endif
