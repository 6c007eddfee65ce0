/*
 * prober_link - what the supervisor says to the prober, and hears from it.
 *
 *   SETTINGS  SEED  APP_LOAD -> APP_LOADED, APP_HEALTH...  APP_UNLOAD
 *   APP_GROW -> a larger board: APP_BOARD -> APP_LOADED    RECORD -> the store
 *   a new worker's traffic page: APP_BOARD
 *
 * One prober for all apps. When it ends it is started again and gets the same boards;
 * meanwhile workers go on with what was published. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_PROBER_LINK_H
#define FPROXY_SUPERVISOR_PROBER_LINK_H

#include "base/control_message.h"
#include "proxy/supervisor/apps.h"

struct child;

/* Starts it, or sees to it that it is tried again. */
void prober_link_start(struct supervisor *supervisor);

/* Takes over one that has outlived its supervisor and has reported what it holds. */
void prober_link_adopt(struct supervisor *supervisor, struct child *prober);
/* ... and gives it what it has not got: settings, and each app's generations. */
void prober_link_greet(struct supervisor *supervisor);
void prober_link_settings(struct supervisor *supervisor);

/* ... or, of a protocol that is not ours, stops it: a new one takes over from the boards. */
void prober_link_succeed(struct supervisor *supervisor);

/* Gives it a generation that has pages; does nothing while no prober runs. */
void prober_link_load(struct app_generation *generation);
/* What could not be sent a while ago, for want of descriptors. */
void prober_link_again(struct supervisor *supervisor);

/* Workers that do not serve (app->unresponsive) are replaced, where nothing is in the way now. */
void prober_link_unresponsive(struct supervisor *supervisor);
/* It is not to be given to it any more. */
void prober_link_forget(struct app_generation *generation);
void prober_link_unload(struct app_generation *generation);
/* One that it has told of, and nobody wants. */
void prober_link_unload_number(struct supervisor *supervisor, const char *app, uint32_t number);

/* The generation's traffic page is a new one, for a new worker. */
void prober_link_traffic(struct app_generation *generation);

/* Makes larger pages, if the prober asked for them and none are on their way. */
void prober_link_grow(struct app *app);

/* What a target says of itself. 0; -EAGAIN: no prober is there to hear it. */
int prober_link_report(struct supervisor *supervisor, const struct control_target_report *report);

void prober_link_stop(struct supervisor *supervisor);

/* A message of the prober after its report. */
void prober_link_message(struct supervisor *supervisor, const struct control_message *message);

#endif
