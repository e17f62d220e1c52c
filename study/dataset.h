/* dataset.h: the data set of a study, by the runtime's reader. */
#ifndef NETC_STUDY_DATASET_H
#define NETC_STUDY_DATASET_H
#include "internal.h"
#include "study.h"

/* The data set that a program's summary names; `which` as for netc_dataset_open. Ends the process
 * where there is none. */
void open_dataset(Study *s, const json_t *summary, int which, netc_dataset *d, netc_data *spec);
/* All of its bytes and labels, as text. */
void hash_dataset(Study *s, const json_t *summary);
#endif
