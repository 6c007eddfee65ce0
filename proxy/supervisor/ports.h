/*
 * ports - an app's ports as people read them. Pure.
 *
 *   5001, 5002, 5003 and [::1]:5400  ->  "5001-5003, [::1]:5400"
 */
#ifndef FPROXY_SUPERVISOR_PORTS_H
#define FPROXY_SUPERVISOR_PORTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "config/app.h"

/* "5001", or "127.0.0.1:5001" where an address is given; `text` has ADDRESS_TEXT_BYTES. */
const char *port_text(const struct app_listen *port, char *text);

/* All of them in order, neighbours as a range; what does not fit in `text` becomes "...".
 * Returns text. */
const char *ports_text(const struct app_listen *ports, uint32_t count, char *text,
                       size_t text_bytes);

#endif
