/* tune.h: a better schedule for a network's training step, by measuring: netc --tune.
 *
 * What is measured are schedules of the frozen graph, so no result changes by a bit. The text that
 * comes out is for --schedule=FILE.
 */
#ifndef NETC_TUNE_H
#define NETC_TUNE_H
#include "compile.h"

/* For about so long; writes FOLDER/NET.sched. The exit status of netc. */
int tune_command(const Compiled *x, const char *folder, double minutes);
#endif
