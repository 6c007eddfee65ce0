#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/app.h"

int
app_target_init(struct app_target *target, const char *name, const char **why)
{
    char host[HOST_NAME_BYTES];

    *target = (struct app_target){ .weight = 1 };
    *why = "the host name is longer than 253 characters";
    if (strlen(name) >= TARGET_NAME_BYTES ||
        address_split(name, host, &target->port, why) < 0)
        return -EINVAL;
    if (address_parse_ip(host, target->port, &target->address) < 0)
        memset(&target->address, 0, sizeof target->address); /* a name */
    target->name = strdup(name);
    return target->name == NULL ? -ENOMEM : 0;
}

void
app_target_fini(struct app_target *target)
{
    free(target->name);
    target->name = NULL;
}

void
app_target_host(const struct app_target *target, char *host)
{
    const char *why;
    uint16_t port;

    if (target->name == NULL || address_split(target->name, host, &port, &why) < 0)
        host[0] = '\0';
}
