/*
 * admin_actions - what can be asked to be done over the admin socket, and what runs in detail.
 *
 *   POST /v1/reload             200 with reload.h's result, when it is over
 *   POST /v1/upgrade            202 when the binary passed its trial, 409 {"error"}
 *   POST /v1/apps/APP/rollback  200 {"app", "outcome", "reason", "from_generation",
 *                               "to_generation"} when it is over; 404, 409 {"error"}
 *   POST /v1/apps/APP/drain, maintain, ready: see admin_overrides.h
 *   GET  /v1/running            {"apps": [{"name", "generation", "source", "config",
 *                               "connections", "targets": [{"target", "connections"}]}]}
 */
#ifndef FPROXY_SUPERVISOR_ADMIN_ACTIONS_H
#define FPROXY_SUPERVISOR_ADMIN_ACTIONS_H

#include <jansson.h>

struct evhttp_request;
struct supervisor;

void admin_act(struct supervisor *supervisor, struct evhttp_request *request, const char *path);
void admin_running(struct supervisor *supervisor, struct evhttp_request *request);

/* ---- of admin.c ---- */

void admin_reply(struct evhttp_request *request, int status, const char *phrase,
                 const char *type, const char *body);
void admin_reply_text(struct evhttp_request *request, int status, const char *phrase,
                      const char *body);
/* `json` is taken over; NULL: no memory. */
void admin_reply_json(struct evhttp_request *request, int status, const char *phrase,
                      json_t *json);

#endif
