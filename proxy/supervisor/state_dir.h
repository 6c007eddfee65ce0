/*
 * state_dir - the state directory while fproxy runs: made again when somebody deleted it, and
 * locked again when it is another one than at the start, so that no second supervisor takes it.
 */
#ifndef FPROXY_SUPERVISOR_STATE_DIR_H
#define FPROXY_SUPERVISOR_STATE_DIR_H

enum { STATE_DIR_MODE = 0750 };

/* A store_directory_fn (store.h): the store's thread. The context is the supervisor, of which
 * state_dir and state_fd are used: the latter stays the same number. */
int state_dir_hold(void *context);

#endif
