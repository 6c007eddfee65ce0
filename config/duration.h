/*
 * duration - "250ms", "5s", "1m", "1h", "1d" to milliseconds and back.
 */
#ifndef FPROXY_CONFIG_DURATION_H
#define FPROXY_CONFIG_DURATION_H

#include <stdint.h>

#define DURATION_MS_MAX (24u * 86400u * 1000u)  /* 24 days: fits an int32_t too */

enum { DURATION_TEXT_BYTES = 24 };

/* A number with its unit, nothing else, no sign other than "-". 0 and `*ms`; -EINVAL when
 * it is no duration; one that is too large for int64_t becomes INT64_MAX. */
int duration_parse(const char *text, int64_t *ms);

/* In the largest unit that needs no fraction; into DURATION_TEXT_BYTES; returns text. */
const char *duration_format(uint32_t ms, char *text);

#endif
