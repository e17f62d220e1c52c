/* jit.h: a compiled program run in this process, through LLVM.
 *
 * That is netc-jit, the same program as netc but for this part, which netc lacks: loading LLVM
 * takes longer than compiling most networks. netc runs netc-jit where it is needed.
 */
#ifndef NETC_JIT_H
#define NETC_JIT_H
#include "compile.h"

extern const bool jit_here; /* else the functions are not to be called */
/* The command line of the program, as netc_main takes it; returns its exit status. With `perf`
 * /tmp/perf-PID.map tells perf(1) the names of its functions. */
int jit_main(const Compiled *x, bool perf, int argc, char **argv);
/* The stages "llvm" and "asm" of all functions. */
void jit_dump(Text *t, const Compiled *x, const char *stage);
#endif
