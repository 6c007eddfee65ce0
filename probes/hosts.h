/*
 * hosts - the names of /etc/hosts, which count before any DNS server.
 *
 * Parsed from a text, so that a test needs no file. The loop's thread only.
 */
#ifndef FPROXY_PROBES_HOSTS_H
#define FPROXY_PROBES_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

struct hosts;

enum { HOSTS_BYTES_MAX = 8 << 20 };     /* of a file; a longer one counts as empty */

/* Lines that make no sense are passed over. NULL without memory. */
struct hosts *hosts_parse(const char *text, size_t bytes);
/* A file that cannot be read has no names. NULL without memory. */
struct hosts *hosts_read(const char *path);
void hosts_destroy(struct hosts *hosts);

/* Is `name` in the file, with whatever addresses? */
bool hosts_has(const struct hosts *hosts, const char *name);

/* Its addresses of `family` (4 or 6), port 0, at most `max`, in the order of the file, each
 * once; returns how many. */
uint32_t hosts_find(const struct hosts *hosts, const char *name, uint8_t family,
                    struct address *addresses, uint32_t max);

/* "localhost" or below it: means the loopback even when no file says so (RFC 6761). */
bool hosts_is_localhost(const char *name);

#endif
