/*
 * acquire - what a generation needs before its worker can load it: ports, a worker, pages.
 *
 * The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_ACQUIRE_H
#define FPROXY_SUPERVISOR_ACQUIRE_H

#include <stdbool.h>

#include "proxy/supervisor/apps.h"

/* May this generation have a port that another app holds now? */
typedef bool acquire_share_fn(const void *context, const struct listen_port *port);

/* Ports that are not ours are bound, those of the app itself are shared, and so are those of
 * other apps for which `may_share` (NULL: none) says yes. 0; or -errno with the reason in `why`
 * (APP_REASON_BYTES), and nothing acquired. */
int acquire_ports(struct app_generation *generation, acquire_share_fn *may_share,
                  const void *context, char *why);

/* Clients can come to its ports, and wait until they are accepted. 0 or -errno with the reason. */
int acquire_listen(const struct app_generation *generation, char *why);

/* The worker that it belongs to by its configuration; NULL without memory. */
struct worker *acquire_worker(const struct app_generation *generation);

/* Ties it to the worker (NULL fails) and makes its pages. 0 or -errno with the reason. */
int acquire_pages(struct app_generation *generation, struct worker *worker, char *why);

/* The same for the generation that `from` is, in another worker: it shares ports and board. */
int acquire_from(struct app_generation *generation, const struct app_generation *from,
                 struct worker *worker, char *why);

/* That without ports: for what accepts no one. */
int acquire_shared_pages(struct app_generation *generation, const struct app_generation *from,
                         struct worker *worker, char *why);

/* A traffic page for a worker that starts anew with a generation that had one before. 0 or
 * -errno. */
int acquire_fresh_traffic(struct app_generation *generation);

/* The clients of its ports are those of the app's current generation from now on. */
void acquire_hold_ports(struct app *app);

#endif
