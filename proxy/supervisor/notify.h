/*
 * notify - tells the service manager how far we are: the protocol of sd_notify(3).
 *
 * Without NOTIFY_SOCKET in the environment everything here does nothing.
 */
#ifndef FPROXY_SUPERVISOR_NOTIFY_H
#define FPROXY_SUPERVISOR_NOTIFY_H

#include <stdbool.h>

#include "base/util.h"

/* Once, before children are started: takes NOTIFY_SOCKET out of the environment, so that
 * they do not speak for us. */
void notify_init(void);

/* Is there anybody to be told? */
bool notify_is_wanted(void);

/* Sends lines such as "READY=1\nSTATUS=2 apps". Never blocks; trouble is logged. */
void notify_send(const char *format, ...) PRINTF_LIKE(1, 2);

/* Another binary is about to be executed in this process: it may be told as this one was. */
void notify_hand_on(void);

#endif
