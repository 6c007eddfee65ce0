/* c-ares could parse these, but hands out no TTL, so they are read here; it expands the names. */
#include "probes/dns_service.h"

#include <ares.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "probes/dns_packet.h"

enum { CLASS_IN = 1, TYPE_SRV = 33, FIXED_BYTES = 6 };      /* priority, weight, port */

static int
compare(const void *a, const void *b)
{
    const struct dns_service *left = a, *right = b;
    int order = (left->priority > right->priority) - (left->priority < right->priority);

    if (order == 0)
        order = strcmp(left->host, right->host);
    if (order == 0)
        order = (left->port > right->port) - (left->port < right->port);
    if (order == 0)
        order = (left->weight < right->weight) - (left->weight > right->weight);
    return order;
}

/* The host at `at`, in lower case; false when it is none, or "." (there is no such service). */
static bool
read_host(const struct dns_cursor *cursor, size_t at, char *host)
{
    char *text;
    long used;
    size_t length;
    bool fits;

    if (ares_expand_name(cursor->bytes + at, cursor->bytes, (int)cursor->length, &text,
                         &used) != ARES_SUCCESS)
        return false;
    length = strlen(text);
    fits = length > 0 && length < HOST_NAME_BYTES;
    for (size_t i = 0; fits && i <= length; i++)
        host[i] = (char)tolower((unsigned char)text[i]);
    ares_free_string(text);
    return fits;
}

static bool
read_service(const struct dns_cursor *cursor, const struct dns_record *record,
             struct dns_service *service)
{
    const unsigned char *data = cursor->bytes + record->data_at;

    *service = (struct dns_service){
        .priority = (uint16_t)dns_number(data, 2),
        .weight = (uint16_t)dns_number(data + 2, 2),
        .port = (uint16_t)dns_number(data + 4, 2),
    };
    return service->port != 0 &&
           read_host(cursor, record->data_at + FIXED_BYTES, service->host);
}

/* When it is full, the worst one makes way for a better one. */
static void
add(struct dns_services *services, const struct dns_service *service)
{
    struct dns_service *worst;

    if (services->count < DNS_SERVICES_MAX) {
        services->list[services->count++] = *service;
        return;
    }
    services->left_out++;
    worst = &services->list[0];
    for (uint32_t i = 1; i < services->count; i++) {
        if (compare(&services->list[i], worst) > 0)
            worst = &services->list[i];
    }
    if (compare(service, worst) < 0)
        *worst = *service;
}

/* Sorted; of a host and port that is named twice, the best record. */
static void
normalize(struct dns_services *services)
{
    uint32_t kept = 0;

    qsort(services->list, services->count, sizeof *services->list, compare);
    for (uint32_t i = 0; i < services->count; i++) {
        const struct dns_service *service = &services->list[i];
        bool known = false;

        for (uint32_t j = 0; j < kept && !known; j++)
            known = services->list[j].port == service->port &&
                    strcmp(services->list[j].host, service->host) == 0;
        if (!known)
            services->list[kept++] = *service;
    }
    services->count = kept;
}

static void
take(struct dns_services *services, const struct dns_cursor *cursor,
     const struct dns_record *record)
{
    struct dns_service service;

    if (record->type != TYPE_SRV || record->class != CLASS_IN ||
        record->data_bytes <= FIXED_BYTES)
        return;
    services->ttl_s = services->records == 0 ? record->ttl_s
                                             : MIN(services->ttl_s, record->ttl_s);
    services->records++;
    if (read_service(cursor, record, &service))
        add(services, &service);
}

bool
dns_service_format(const struct dns_service *service, char *text)
{
    return snprintf(text, TARGET_NAME_BYTES, "%u %u %u %s", service->priority, service->weight,
                    service->port, service->host) < TARGET_NAME_BYTES;
}

bool
dns_service_read(const char *text, struct dns_service *service)
{
    memset(service, 0, sizeof *service);
    return sscanf(text, "%hu %hu %hu %255s", &service->priority, &service->weight, &service->port,
                  service->host) == 4 && service->port != 0;
}

bool
dns_services_add(struct dns_services *services, const struct dns_service *service)
{
    uint32_t before = services->count;

    if (services->list == NULL)
        services->list = calloc(DNS_SERVICES_MAX, sizeof *services->list);
    if (services->list == NULL || services->count == DNS_SERVICES_MAX)
        return false;
    services->list[services->count++] = *service;
    normalize(services);
    return services->count > before;
}

int
dns_services_parse(struct dns_services *services, const unsigned char *bytes, size_t length)
{
    struct dns_cursor cursor;
    struct dns_counts counts;
    struct dns_record record;

    memset(services, 0, sizeof *services);
    if (!dns_packet_begin(&cursor, bytes, length, &counts))
        return -EPROTO;
    services->list = calloc(DNS_SERVICES_MAX, sizeof *services->list);
    if (services->list == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < counts.answers; i++) {
        if (!dns_packet_next(&cursor, &record)) {
            dns_services_fini(services);
            return -EPROTO;
        }
        take(services, &cursor, &record);
    }
    normalize(services);
    if (services->count == 0)
        dns_services_fini(services);
    return 0;
}

void
dns_services_fini(struct dns_services *services)
{
    free(services->list);
    services->list = NULL;
    services->count = 0;
}
