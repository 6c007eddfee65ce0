/*
 * admin_overrides - drain, maintain, ready: asked for over the admin socket.
 *
 *   POST /v1/apps/APP/drain|maintain|ready?target=TARGET&note=TEXT
 *        200 {"app", "action", "target", "kept", "endpoints": [{"target", "address", "state"}],
 *             "overrides": [...], "warnings": [...]}; 404, 409 {"error"}
 *
 * The answer comes when it is on the disk and the prober has published it: from then on no new
 * connection goes where it says so. What does not come in time is a warning, not an error. The
 * loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_ADMIN_OVERRIDES_H
#define FPROXY_SUPERVISOR_ADMIN_OVERRIDES_H

#include <stdbool.h>
#include <stdint.h>

struct evhttp_request;
struct supervisor;

/* False when the path is none of these. */
bool admin_override(struct supervisor *supervisor, struct evhttp_request *request,
                    const char *path);

/* The prober has obeyed what was sent with this serial, or could not: `result` is 0 or -errno. */
void admin_override_obeyed(struct supervisor *supervisor, uint32_t serial, int result);

/* At the end, before the store and the loop go: nobody is answered any more. */
void admin_overrides_forget(struct supervisor *supervisor);

#endif
