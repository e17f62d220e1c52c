/* main.c: the program of a compiled network; compile it with -DNETC_NET=NAME beside NAME.c. */
#include "netc.h"

extern const netc_net NETC_NET;

int main(int argc, char **argv) { return netc_main(&NETC_NET, argc, argv); }
