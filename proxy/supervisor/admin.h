/*
 * admin - HTTP on RUNTIME_DIR/admin.sock: what operators, scripts and our commands ask.
 *
 *   GET   /livez   /readyz   /readyz/APP   /v1/status   /v1/running
 *   POST  /v1/reload   /v1/upgrade   /v1/apps/APP/rollback, drain, maintain, ready
 */
#ifndef FPROXY_SUPERVISOR_ADMIN_H
#define FPROXY_SUPERVISOR_ADMIN_H

struct supervisor;

/* Listens (mode 0660). 0 or -errno. */
int admin_open(struct supervisor *supervisor);

/* Closes and unlinks the socket. */
void admin_close(struct supervisor *supervisor);

#endif
