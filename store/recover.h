/*
 * recover - what to do with a damaged database: keep it beside, begin anew, take over from
 * it what can still be read.
 */
#ifndef FPROXY_STORE_RECOVER_H
#define FPROXY_STORE_RECOVER_H

#include "store/database.h"

enum { KEEP_BAD = 3 };      /* damaged databases kept; the oldest are deleted */

/* Renames `path`, -wal, -shm and -journal to `path`.bad-TIME*; `bad_path` (PATH_BYTES) gets
 * the new name. 0 or -errno: then nothing was renamed. */
int recover_set_aside(const char *path, int64_t now_wall_ms, char *bad_path);

/* Copies configurations, DNS answers, endpoints, overrides and rollouts from `bad_path` into
 * the new database, as far as they can be read. */
void recover_salvage(struct database *database, const char *bad_path);

#endif
