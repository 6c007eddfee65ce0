/*
 * journal - what is written down of an app's rollouts and configurations (store/).
 */
#ifndef FPROXY_SUPERVISOR_JOURNAL_H
#define FPROXY_SUPERVISOR_JOURNAL_H

#include "proxy/supervisor/apps.h"

/* A rollout begins; it began when the present try did (app->begun_at_ms). */
void journal_open(struct app *app, uint32_t to_generation);

/* How it ended. The first ending of a try is written; that it still fails adds no row, that it
 * works at last is a rollout of its own. */
void journal_close(struct app *app, const char *outcome, const char *reason);

/* One that began and failed in this moment: a configuration that is invalid. */
void journal_held_back(struct app *app, const char *reason);

/* What works is what the next start falls back to; unless an operator has gone back from it.
 * While that is not known here, the database decides; then it is written again. */
void journal_good(struct app *app);
/* Nobody has, or that is over: what waited is written. */
void journal_settle(struct app *app);

/* A configuration that did not work; `text` may be "" when there is none. */
void journal_failed(struct app *app, uint32_t number, const char *text, const char *source,
                    const char *reason);

#endif
