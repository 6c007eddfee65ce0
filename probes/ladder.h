/*
 * ladder - what clients are offered when nothing is eligible. Pure.
 *
 *   something is eligible        LADDER_NORMAL      that
 *   panic = "all": some worked
 *     within `panic_hold`        LADDER_LAST_GOOD   all, those first
 *     none did                   LADDER_ALL         all
 *   panic = "fail", or all were
 *     taken out by an operator   LADDER_FAIL        nothing: RST at once
 */
#ifndef FPROXY_PROBES_LADDER_H
#define FPROXY_PROBES_LADDER_H

#include <stdbool.h>
#include <stdint.h>

/* Numbers of boards and control messages, too. */
enum ladder_rung { LADDER_NORMAL, LADDER_LAST_GOOD, LADDER_ALL, LADDER_FAIL, LADDER_RUNGS };

/* Endpoints of an app. */
struct ladder_count {
    uint32_t eligible;
    uint32_t present;           /* with an address, and not taken out by an operator */
    uint32_t recent;            /* of these: ladder_recent() */
};

enum ladder_rung ladder_rung(const struct ladder_count *count, bool fail);

/* Did it work within the last `hold_ms`? Times are CLOCK_MONOTONIC; `worked_ms` 0: it never did. */
bool ladder_recent(uint64_t worked_ms, uint64_t now_ms, uint32_t hold_ms);

/* "normal", "last_good", "all", "fail". */
const char *ladder_name(uint32_t rung);

#endif
