/*
 * attention - the apps that are not as they are configured: few, of many.
 *
 * A reload tries and tells each of them. To look at 5,000 apps for it cost a millisecond, twice.
 * Whoever gives an app something to look at puts it here; who looks takes those out that are as
 * they should be again. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_ATTENTION_H
#define FPROXY_SUPERVISOR_ATTENTION_H

#include <stdbool.h>
#include <sys/queue.h>

struct app;
struct supervisor;

TAILQ_HEAD(attention, app);

/* Its configuration is not valid or not used, it could not begin, or it is configured no more. */
bool app_needs_attention(const struct app *app);

/* To be called when it may need some. Cheap for one that is here, or comes after all others by
 * name. */
void attention_to(struct app *app);

/* Before it is freed. */
void attention_forget(struct app *app);

/* Those that need some, by name: first and next. The one returned may be dropped before the next
 * call if `next` was asked for before. */
struct app *attention_first(struct supervisor *supervisor);
struct app *attention_next(const struct app *app);

#endif
