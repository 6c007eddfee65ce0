/*
 * change_priv - what change.c and change_late.c share.
 */
#ifndef FPROXY_SUPERVISOR_CHANGE_PRIV_H
#define FPROXY_SUPERVISOR_CHANGE_PRIV_H

#include <stdbool.h>

#include "proxy/supervisor/change.h"

struct shared_text;

/* What was on its way, or waits for it, is no longer what is wanted. */
void change_cancel(struct app *app);

/* What the item says is to be rolled out; nothing else is on its way. */
void change_want(struct app *app, const struct config_item *item);

/* Apps that would give up a port in a change that failed take part again where it is wanted. */
void change_ask_holders(struct supervisor *supervisor);

/* What is configured is not what an operator went back from, or not any more. */
void change_end_pin(struct app *app);

/* An operator went back from this text. False: no memory; rather what is configured than nothing.
 * Neither is taken over. */
bool change_set_aside(struct app *app, struct shared_text *text, const char *source);

#endif
