/*
 * adopt_unread - a generation that runs in a worker, and whose text this binary does not accept: it
 * is of a later version, or of one that was less strict.
 *
 * The app begins anew with what is configured. Its listening sockets are kept for it meanwhile
 * (spare_ports.h), so clients wait instead of being refused; the worker takes none any more, and
 * what it has gets UNREAD_DRAIN_MS. The loop's thread only, during adoption.
 */
#ifndef FPROXY_SUPERVISOR_ADOPT_UNREAD_H
#define FPROXY_SUPERVISOR_ADOPT_UNREAD_H

struct app;
struct reported;
struct worker;

/* For its connections: the default of `drain_timeout`, for its own cannot be read. */
enum { UNREAD_DRAIN_MS = 30000 };

/* Takes the sockets of `reported` over. `worker` is retired: what else it has is handed over. */
void adopt_unread(struct app *app, struct worker *worker, struct reported *reported);

#endif
