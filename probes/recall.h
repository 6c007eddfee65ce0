/*
 * recall - what the board that an earlier prober left tells the one that replaces it.
 *
 * A prober that died has left the app's board as it was. The next one begins with its
 * states, whatever `initial` says, and with its addresses of names until an answer comes; so
 * it neither offers what is known to be dead nor takes away what works. The prober's files
 * only.
 */
#ifndef FPROXY_PROBES_RECALL_H
#define FPROXY_PROBES_RECALL_H

#include "probes/prober_priv.h"

/* Before the app has endpoints, with a writer: moves what its board tells into the prober's
 * seeds and resolver, frees the slots, and goes on with the ids where that prober ended. Does
 * nothing with a new board. */
void recall_board(struct prober_app *app);

#endif
