#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/app.h"

static const char srv_prefix[] = "srv:";

/* "srv:80" is port 80 of a host that is called srv. */
static bool
names_service(const char *name)
{
    const char *rest = name + sizeof srv_prefix - 1;

    return strncmp(name, srv_prefix, sizeof srv_prefix - 1) == 0 &&
           rest[strspn(rest, "0123456789")] != '\0';
}

/* Does it begin with _service._proto? For a proto that is not tcp, it names none of ours. */
static const char *
protocol_problem(const char *service)
{
    const char *proto = strchr(service, '.');

    if (*service != '_' || proto == NULL || proto[1] != '_')
        return NULL;    /* some registries have services of plain names */
    return strncasecmp(proto + 1, "_tcp.", 5) == 0
               ? NULL
               : "only services of _tcp can be used: write srv:_http._tcp.example.com";
}

/* The name after the prefix must be one that a host could have as well. */
static const char *
service_problem(const char *service)
{
    char host[HOST_NAME_BYTES], text[TARGET_NAME_BYTES];
    struct address address;
    const char *why;
    uint16_t port;

    snprintf(text, sizeof text, "%s:1", service);
    if (strchr(service, ':') != NULL || *service == '[')
        return "a service has no port, its SRV records tell it: write srv:_http._tcp.example.com";
    if (address_split(text, host, &port, &why) < 0)
        return why;
    if (address_parse_ip(host, 0, &address) == 0)
        return "an address has no SRV records: write srv:_http._tcp.example.com";
    return protocol_problem(service);
}

static int
service_init(struct app_target *target, const char *name, const char **why)
{
    *why = service_problem(name + sizeof srv_prefix - 1);
    if (*why != NULL)
        return -EINVAL;
    target->service = true;
    target->name = strdup(name);
    return target->name == NULL ? -ENOMEM : 0;
}

int
app_target_init(struct app_target *target, const char *name, const char **why)
{
    char host[HOST_NAME_BYTES];

    *target = (struct app_target){ .weight = 1 };
    *why = "the host name is longer than 253 characters";
    if (strlen(name) >= TARGET_NAME_BYTES)
        return -EINVAL;
    if (names_service(name))
        return service_init(target, name, why);
    if (address_split(name, host, &target->port, why) < 0)
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

    if (target->service)
        snprintf(host, HOST_NAME_BYTES, "%s", target->name + sizeof srv_prefix - 1);
    else if (target->name == NULL || address_split(target->name, host, &port, &why) < 0)
        host[0] = '\0';
}
