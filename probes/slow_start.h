/*
 * slow_start - how much of its weight an endpoint gets that is new, or came back.
 *
 *   share
 *   100 %                          +------   of its weight: 10 % at once, then a tenth more
 *                            +-----+         each tenth of the time
 *    20 %      +-- ...  -----+
 *    10 %  +---+
 *          0                     duration    age: since it works
 *
 * Pure functions of an age. In steps, for each is a publication that all readers copy.
 */
#ifndef FPROXY_PROBES_SLOW_START_H
#define FPROXY_PROBES_SLOW_START_H

#include <stdbool.h>
#include <stdint.h>

enum { SLOW_START_STEPS = 10 };

/* 10, 20, ... 100 %. An age below 0 (of another start of the machine) or beyond `duration_ms` is
 * over. */
uint8_t slow_start_percent(int64_t age_ms, uint32_t duration_ms);

/* Until the next step; 0: it is over. */
uint32_t slow_start_wait_ms(int64_t age_ms, uint32_t duration_ms);

#endif
