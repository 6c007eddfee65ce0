/*
 * rollout_group - which pending apps have to be rolled out together.
 *
 * Apps between which a port moves form one group: all steps for all of them, or none. Ports
 * that overlap ("5001" and "127.0.0.1:5001") count as the same here. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_ROLLOUT_GROUP_H
#define FPROXY_SUPERVISOR_ROLLOUT_GROUP_H

#include <stdbool.h>
#include <stddef.h>

struct address;
struct app;
struct supervisor;

/* The next group of pending apps that may start: none of them is on its way with something
 * else. False: there is none, or no memory. `*members` is the caller's. */
bool rollout_group_next(struct supervisor *supervisor, struct app ***members, size_t *count);

/* What comes after an app's current generation (wanted or next) does not have this port. */
bool rollout_group_frees(const struct app *app, const struct address *address);

#endif
