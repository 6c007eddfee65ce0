/*
 * worker - the process that moves the clients' bytes of one or more apps.
 *
 *   supervisor ==control socket==> control thread (libevent) --mailboxes--> data threads
 *
 * The control thread alone talks to the supervisor and owns all objects with a life of
 * their own. When the supervisor vanishes, everything else goes on, and the next
 * one that connects is told what is here (report.h).
 */
#ifndef FPROXY_WORKER_WORKER_H
#define FPROXY_WORKER_WORKER_H

/* Serves the control connection `control_fd` until told to stop. `name` is the worker's, for
 * the log and the supervisor. `listen_fd` is a bound socket: a supervisor that connects there
 * succeeds the present one, if any; -1: none can. Returns the process's exit status. */
int worker_run(const char *name, int control_fd, int listen_fd);

#endif
