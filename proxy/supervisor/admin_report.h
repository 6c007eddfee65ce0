/*
 * admin_report - a target reports itself over the admin socket (kind = "push").
 *
 *   POST /v1/apps/APP/targets/TARGET/report     TARGET as configured or an endpoint's address,
 *        {"ok": true, "degraded": false,        percent-encoded where need be; all of the body is
 *         "detail": "..."}                      optional
 *   204; 400 {"error"}: the body; 404: no such app or target; 409: no probe looks at reports, or
 *   nothing of it runs; 503: no prober is there, it is to be said again
 */
#ifndef FPROXY_SUPERVISOR_ADMIN_REPORT_H
#define FPROXY_SUPERVISOR_ADMIN_REPORT_H

#include <stdbool.h>

struct evhttp_request;
struct supervisor;

/* False: the path is none of it, and nothing was answered. */
bool admin_report(struct supervisor *supervisor, struct evhttp_request *request, const char *path);

#endif
