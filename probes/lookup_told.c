/* What the database and the log are told of a lookup that ended. */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "probes/resolver_priv.h"

enum { RECORD_INTERVAL_MS = 60000 };

static void
send_record(const struct lookup *lookup, struct record record, const char *status,
            uint32_t ttl_s, int64_t expires_at_ms)
{
    const struct resolver *resolver = lookup->name->resolver;
    struct record_dns *dns = &record.of.dns;

    if (resolver->options.on_record == NULL)
        return;
    record.at_ms = lookup->last_at_ms;
    snprintf(dns->name, sizeof dns->name, "%s", lookup->name->host);
    snprintf(dns->type, sizeof dns->type, "%s", dns_family_name(lookup->family));
    snprintf(dns->status, sizeof dns->status, "%s", status);
    dns->ttl_s = ttl_s;
    dns->resolved_at_ms = lookup->last_at_ms;
    dns->expires_at_ms = expires_at_ms;
    resolver->options.on_record(resolver->options.context, &record);
}

static void
send_gone(const struct lookup *lookup)
{
    send_record(lookup, (struct record){ .kind = RECORD_DNS_GONE }, "", 0, 0);
}

/* What is known now. A service whose text is too long for the database is left out there. */
static void
send_known(const struct lookup *lookup, uint32_t ttl_s, int64_t expires_at_ms)
{
    for (uint32_t i = 0; i < lookup->count; i++) {
        struct record record = { .kind = RECORD_DNS };

        address_format_ip(&lookup->addresses[i], record.address);
        send_record(lookup, record, "ok", ttl_s, expires_at_ms);
    }
    for (uint32_t i = 0; i < lookup->services.count; i++) {
        struct record record = { .kind = RECORD_DNS };

        if (dns_service_format(&lookup->services.list[i], record.target))
            send_record(lookup, record, "ok", ttl_s, expires_at_ms);
    }
}

static bool
is_known(const struct lookup *lookup)
{
    return lookup->count > 0 || lookup->services.count > 0;
}

/* The database learns what changed at once, and that it still holds once a minute: a name
 * with a TTL of a second would cost it a write a second. A failure never replaces addresses
 * that were good. */
void
lookup_record(struct lookup *lookup, uint32_t ttl_s, uint32_t ttl_ms, bool changed)
{
    int64_t expires_at_ms = lookup->last_at_ms + ttl_ms;
    int64_t age_ms = lookup->last_at_ms - lookup->recorded_at_ms;
    bool nxdomain = lookup->last == REASON_DNS_NXDOMAIN;

    /* A clock that went back is no reason to be silent until it is there again. */
    if (!changed && age_ms >= 0 && age_ms < RECORD_INTERVAL_MS)
        return;
    if (lookup->last == REASON_OK) {
        send_gone(lookup);
        send_known(lookup, ttl_s, expires_at_ms);
    } else if (!is_known(lookup) && (nxdomain || lookup->last == REASON_DNS_EMPTY)) {
        send_gone(lookup);
        send_record(lookup, (struct record){ .kind = RECORD_DNS },
                    nxdomain ? "nxdomain" : "empty", 0, expires_at_ms);
    } else {
        return;
    }
    lookup->recorded_at_ms = lookup->last_at_ms;
}

static void
log_answer(const struct lookup *lookup)
{
    const char *host = lookup->name->host;

    if (lookup->family != DNS_SRV)
        log_info(NULL, "%s: %" PRIu32 " %s address%s", host, lookup->count,
                 dns_family_name(lookup->family), lookup->count == 1 ? "" : "es");
    else if (lookup->services.count == 0)
        log_info(NULL, "%s: its SRV record says that there is no such service", host);
    else
        log_info(NULL, "%s: %" PRIu32 " SRV record%s", host, lookup->services.count,
                 lookup->services.count == 1 ? "" : "s");
}

static void
log_failure(const struct lookup *lookup)
{
    const char *host = lookup->name->host, *type = dns_family_name(lookup->family);

    if (lookup->last == REASON_DNS_EMPTY && lookup->family != DNS_SRV)
        log_debug(NULL, "%s: no %s address", host, type);
    else
        log_warn(NULL, "%s: lookup of %s failed: %s%s", host, type, reason_name(lookup->last),
                 is_known(lookup) ? "; what was known stays" : "");
}

/* A name may have other addresses each time: only another number of them is worth a line, for
 * what becomes of endpoints is told anyway. */
void
lookup_log(const struct lookup *lookup, enum reason before, uint32_t count_before)
{
    uint32_t count = lookup->count + lookup->services.count;

    if (lookup->last == REASON_OK && (before != REASON_OK || count != count_before))
        log_answer(lookup);
    else if (lookup->last != REASON_OK && lookup->last != before)
        log_failure(lookup);
}
