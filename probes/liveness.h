/*
 * liveness - does our own proxy work, end to end? A probe whose role is liveness connects to the
 * app's port as a client does, and says what it is configured to say.
 *
 *   fails `fall` times in a row, although a target is available  -->  the supervisor is told, which
 *   lets a new worker take over: the listening sockets stay, connections end where they are
 *
 * It counts only while the app is ready; and a target that accepts but does not answer looks the
 * same from here, so it acts once a minute at most, ever more rarely while that does not help
 * (liveness_wait_ms()). The prober's files only.
 */
#ifndef FPROXY_PROBES_LIVENESS_H
#define FPROXY_PROBES_LIVENESS_H

#include <stdint.h>

struct liveness;
struct prober_app;

/* Begins the app's probes of this role; may be called again. Without memory the app does without,
 * which is told. */
void liveness_start(struct prober_app *app);
void liveness_stop(struct prober_app *app);

/* How long after the supervisor was told for the `times`th time in a row it may be told again: 1
 * min, doubling up to 32. */
uint32_t liveness_wait_ms(uint32_t times);

#endif
