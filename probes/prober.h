/*
 * prober - the process that knows which targets work: resolves, probes, decides, publishes.
 *
 *   supervisor --SETTINGS, SEED, APP_LOAD, ...--> prober --boards--> workers, inspect
 *              <--APP_LOADED, APP_HEALTH, RECORD--
 *
 * Single-threaded, on one libevent loop; nothing in it blocks. When the supervisor
 * vanishes it goes on probing and publishing, and keeps what the history should get, for the
 * one that succeeds it.
 */
#ifndef FPROXY_PROBES_PROBER_H
#define FPROXY_PROBES_PROBER_H

/* Runs until STOP or SIGTERM. `control` becomes the prober's, and so does `listener`, a bound
 * socket at which supervisors may succeed the present one (-1: there is none). Returns the exit
 * status. */
int prober_run(int control, int listener);

#endif
