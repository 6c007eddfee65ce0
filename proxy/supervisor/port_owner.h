/*
 * port_owner - which process listens on a port, for a message that helps.
 */
#ifndef FPROXY_SUPERVISOR_PORT_OWNER_H
#define FPROXY_SUPERVISOR_PORT_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PORT_OWNER_BYTES = 120 };

/* "nginx (pid 123)", or what else keeps the port, into `text`, of which PORT_OWNER_BYTES are
 * enough. False when nobody is found, or this user may not see whom. Looks through /proc: for
 * failures, not for every try. */
bool port_owner_find(uint16_t port, char *text, size_t text_bytes);

/* Keeps these searches to a tenth of the time: of many ports that are in use at once, only
 * some owners are named. Begins zeroed. */
struct port_owner_pace {
    uint64_t next_ms;           /* CLOCK_MONOTONIC */
};

bool port_owner_may_search(const struct port_owner_pace *pace, uint64_t now_ms);
void port_owner_searched(struct port_owner_pace *pace, uint64_t began_ms, uint64_t now_ms);

#endif
