/*
 * trial - can this installation take over? Answered by the installed programs themselves.
 *
 *   fproxy --upgrade-trial                       started by the supervisor that runs (upgrade.h)
 *     fproxy-worker --upgrade-trial, fproxy-prober --upgrade-trial
 *
 * Each says on stdout "fproxy-upgrade PROTOCOL VERSION" and ends with 0; the children have to be of
 * the same as fproxy. What is missing, cannot run, hangs or is of another version stops nothing:
 * the one that runs goes on. In a process of its own; it may wait.
 */
#ifndef FPROXY_SUPERVISOR_TRIAL_H
#define FPROXY_SUPERVISOR_TRIAL_H

#define TRIAL_NO_WORD "fproxy-upgrade-no: "     /* before the reason why not */

enum {
    TRIAL_MS = 10000,           /* fproxy's own */
    TRIAL_CHILDREN_MS = 8000,   /* of worker and prober together: before that is over */
    TRIAL_SAID_BYTES = 1024,    /* of what is said; more is not looked at */
};

/* The answer of `fproxy --upgrade-trial` (main.c): the exit status, 0 or 1. */
int trial_run(void);

#endif
