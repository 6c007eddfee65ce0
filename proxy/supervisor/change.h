/*
 * change - what a change of the configuration means for the apps that run.
 *
 *   CONFIG_SET     the text that runs: nothing.   Another one: wanted.    A new app: begins
 *   CONFIG_BROKEN  goes on as it is, or as the database knows it; `fproxy status` says why
 *   CONFIG_REMOVE  removed
 *
 * Boot and live change are one path: the first change holds everything, and finds apps that
 * were adopted (adopt.h) or are known from the database only. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_CHANGE_H
#define FPROXY_SUPERVISOR_CHANGE_H

#include "config/source.h"
#include "proxy/supervisor/apps.h"

/* A config_change_fn; the context is the supervisor. */
void change_apply(void *context, struct config_change *change);

/* What was refused, and what cannot serve, is tried once more (a reload asks for that): `retried`
 * is called for each such app, before it begins. */
typedef void change_retried_fn(const struct app *app);
void change_retry_refused(struct supervisor *supervisor, change_retried_fn *retried);

/* The operator goes back to `config` (of generation `number`): what is configured is put
 * aside until it changes. 0 or -errno with the reason in `why` (DETAIL_BYTES). */
int change_step_back(struct app *app, const struct store_config *config, char *why);

/* What is learned late (pins.h): app->pin is the hash of the text that an operator went back from.
 * When that is not what is configured (any more), it is over; what is not running yet is put aside.
 * It stays set while the app runs that text, and for an app that runs nothing. */
void change_pin(struct app *app);

/* Adopted apps that waited for that get what their files say. */
void change_stop_waiting(struct supervisor *supervisor);

#endif
