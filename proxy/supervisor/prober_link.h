/*
 * prober_link - what the supervisor says to the prober, and hears from it.
 *
 *   SETTINGS  SEED  APP_LOAD -> APP_LOADED, APP_HEALTH...  APP_UNLOAD
 *   APP_GROW -> a larger board: APP_BOARD -> APP_LOADED    RECORD -> the store
 *   a new worker's traffic page: APP_BOARD
 *
 * One prober for all apps. When it ends it is started again and gets the same boards;
 * meanwhile workers go on with what was published.
 */
#ifndef FPROXY_SUPERVISOR_PROBER_LINK_H
#define FPROXY_SUPERVISOR_PROBER_LINK_H

#include "proxy/supervisor/apps.h"

/* Starts it, or sees to it that it is tried again. */
void prober_link_start(struct supervisor *supervisor);

/* Gives it an app that has pages; does nothing while no prober runs. */
void prober_link_load(struct app *app);
void prober_link_unload(struct app *app);

/* The app's traffic page is a new one, for a new worker. */
void prober_link_traffic(struct app *app);

/* Makes larger pages, if the prober asked for them and none are on their way. */
void prober_link_grow(struct app *app);

void prober_link_stop(struct supervisor *supervisor);

#endif
