/*
 * guard - what sees to it that a binary which cannot come up does not take the supervisor along.
 *
 *   guard_exec():  this process --exec--> the new binary --guard_came_up()--> the guard ends
 *                       `-- fork --> guard, waits    `-- ends before that --> the guard becomes
 *                                                        the old binary, and adopts what runs
 *
 * The guard has copies of the locks and listening sockets, so nobody else comes in between. The
 * supervisor then has another pid; as the first process of a container there is no guard.
 */
#ifndef FPROXY_SUPERVISOR_GUARD_H
#define FPROXY_SUPERVISOR_GUARD_H

#include <stdbool.h>

/* Set in the environment of a binary that was gone back to. */
#define GUARD_WENT_BACK "FPROXY_WENT_BACK"

/* This binary was gone back to: what runs is of it. */
bool guard_went_back(void);

/* Executes `path`; the guard would execute `back`. Returns only if it could not: -errno. */
int guard_exec(const char *path, const char *back, char **argv);

/* In the new binary, before anything is started: it knows its guard. */
void guard_inherit(void);

/* It has come up, or is told to stop: the guard is not needed. */
void guard_came_up(void);

#endif
