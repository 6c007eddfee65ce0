/* tenant - see tenant.h. */
#include "proxy/worker/tenant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/worker/worker_priv.h"

struct hosted *
tenant_find(const struct worker *worker, const char *name, uint32_t generation)
{
    struct hosted *hosted;
    struct tenant *tenant;

    HASH_FIND_STR(worker->tenants, name, tenant);
    if (tenant == NULL)
        return NULL;
    LIST_FOREACH(hosted, &tenant->generations, tenant_link) {
        if (hosted->app.generation == generation)
            return hosted;
    }
    return NULL;
}

int
tenant_insert(struct worker *worker, struct hosted *hosted)
{
    struct tenant *tenant;

    HASH_FIND_STR(worker->tenants, hosted->app.name, tenant);
    if (tenant == NULL) {
        tenant = calloc(1, sizeof *tenant);
        if (tenant == NULL)
            return -ENOMEM;
        memcpy(tenant->name, hosted->app.name, sizeof tenant->name);
        LIST_INIT(&tenant->generations);
        HASH_ADD_STR(worker->tenants, name, tenant);
    }
    hosted->tenant = tenant;
    LIST_INSERT_HEAD(&tenant->generations, hosted, tenant_link);
    TAILQ_INSERT_TAIL(&worker->apps, hosted, link);
    worker->app_count++;
    return 0;
}

void
tenant_forget(struct worker *worker, struct hosted *hosted)
{
    struct tenant *tenant = hosted->tenant;

    report_forget(worker, hosted);
    if (tenant->retired == hosted)
        tenant->retired = NULL;
    TAILQ_REMOVE(&worker->apps, hosted, link);
    LIST_REMOVE(hosted, tenant_link);
    worker->app_count--;
    if (LIST_EMPTY(&tenant->generations)) {
        HASH_DEL(worker->tenants, tenant);
        free(tenant);
    }
    hosted_destroy(hosted);
}
