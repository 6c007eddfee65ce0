/*
 * guard - what sees to it that a binary which cannot come up does not take the supervisor along.
 *
 *   guard_exec():  this process --exec--> the new binary --guard_came_up()--> the guard ends
 *                       `-- fork --> guard, waits    `-- ends before that --> the guard becomes
 *                                                        the old binary, and adopts what runs
 *
 * The guard has copies of the listening sockets. It lets go of the locks and waits for a moment
 * first: whoever is started in that time (a service manager restarts what was killed) is
 * preferred, and the guard ends. Else it takes the locks along into the old binary, and the
 * supervisor has another pid then. As the first process of a container there is no guard.
 */
#ifndef FPROXY_SUPERVISOR_GUARD_H
#define FPROXY_SUPERVISOR_GUARD_H

#include <stdbool.h>

/* Set in the environment of a binary that was gone back to. */
#define GUARD_WENT_BACK "FPROXY_WENT_BACK"

/* This binary was gone back to: what runs is of it. */
bool guard_went_back(void);

struct guard_exec {
    const char *path;           /* is executed ... */
    const char *back;           /* ... or this one, by the guard */
    char **argv;
    int locks[2];               /* descriptors of the locked directories */
};

/* Returns only if it could not: -errno. */
int guard_exec(const struct guard_exec *what);

/* In the new binary, before anything is started: it knows its guard. */
void guard_inherit(void);

/* It has come up: the guard is not needed any more. */
void guard_came_up(void);

#endif
