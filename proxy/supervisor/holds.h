/*
 * holds - tells the source what an app has of ports in fact (config_source_ops.holds).
 *
 *   a change is taken --> the source believes that it was done
 *   its rollout ended otherwise, or it was put aside --> holds_tell() --> what the app runs
 *
 * The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_HOLDS_H
#define FPROXY_SUPERVISOR_HOLDS_H

struct app;

/* To be called when a rollout or a start has ended, either way, or a change meant none. Tells
 * nothing of an app that has what is configured, and of which nothing else was told before. */
void holds_tell(struct app *app);

#endif
