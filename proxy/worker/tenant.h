/*
 * tenant - the apps of this worker by name, each with its generations.
 *
 * Thousands of apps may share a worker: nothing here takes longer for it.
 */
#ifndef FPROXY_WORKER_TENANT_H
#define FPROXY_WORKER_TENANT_H

#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/names.h"

struct hosted;
struct worker;

/* An app by its name, while any generation of it is here. */
struct tenant {
    char name[APP_NAME_BYTES];          /* the key */
    LIST_HEAD(, hosted) generations;
    struct hosted *accepting;           /* NULL: none does */
    struct hosted *retired;             /* the newest that keeps its connections while another
                                         * process accepts; NULL: none does */
    UT_hash_handle hh;
};

/* NULL: it is not here. */
struct hosted *tenant_find(const struct worker *worker, const char *name, uint32_t generation);

/* 0 or -ENOMEM. */
int tenant_insert(struct worker *worker, struct hosted *hosted);

/* Takes it out of every list and frees it. */
void tenant_forget(struct worker *worker, struct hosted *hosted);

#endif
