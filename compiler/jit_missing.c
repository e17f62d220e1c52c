/* jit_missing.c: what stands for jit.c in the netc that does without LLVM. */
#include "jit.h"

const bool jit_here = false;

int jit_main(const Compiled *x, bool perf, int argc, char **argv) {
    die("there is no compiler in memory here");
}

void jit_dump(Text *t, const Compiled *x, const char *stage) {
    die("there is no LLVM to make %s with", stage);
}
