/*
 * carry - connections go on under a newer generation of their app, untouched.
 *
 * Within one thread and one turn of its loop: whoever looks sees the old generation or the new
 * one, never a gap. A connection is carried when its port and its target are configured in the
 * new generation too; the others stay and drain. One that is still connecting stays until it
 * has connected (its race knows the old board) and is judged then: it is `late`. As long as
 * some are, the old generation is `announced` at its heir, which stays for them.
 *
 * Counters: what has ended moves to the new page at once, so that the newest page of an app
 * has the app's totals; what the old one counts after that follows when it ends. A value is
 * taken out of the old page before it is put into the new one.
 */
#ifndef FPROXY_WORKER_CARRY_H
#define FPROXY_WORKER_CARRY_H

#include <stdbool.h>

struct conn;
struct thread_app;

/* `from` has been superseded by `to`: everything that can be carried is. */
void carry_over(struct thread_app *from, struct thread_app *to);

/* A late connection has connected. False: it was closed, its time is over. */
bool carry_late(struct conn *conn);

/* `from` ends: its heir gets what it has counted, and whose heir it was is the heir's. */
void carry_rest(struct thread_app *from);

#endif
