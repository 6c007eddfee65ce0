/* The rules are in dns_hold.h; each function here is what one answer of DNS means. */
#include "probes/dns_hold.h"

#include <inttypes.h>
#include <stdio.h>

static struct dns_hold
verdict(enum dns_hold_what what, enum dns_hold_rule rule, uint64_t look_ms)
{
    return (struct dns_hold){ .what = what, .rule = rule, .look_ms = look_ms };
}

/* A name that hands out a few of its addresses at a time means all of them: what it left out
 * for less than a drain's time is not leaving yet. */
static uint64_t
leaves_at(const struct dns_hold_input *input)
{
    return input->since_ms + (input->rotates ? input->drain_ms : 0);
}

static struct dns_hold
others_are_named(const struct dns_hold_input *input, uint64_t now_ms)
{
    uint64_t leaves_ms = leaves_at(input), ends_ms = leaves_ms + input->drain_ms;

    if (now_ms < leaves_ms)
        return verdict(DNS_HOLD_KEEP, DNS_RULE_ROTATES, leaves_ms);
    if (input->probed && !input->passes)
        return verdict(DNS_HOLD_REMOVE, DNS_RULE_FAILS, 0);
    if (now_ms < ends_ms)
        return verdict(DNS_HOLD_LEAVE, DNS_RULE_DRAINS, ends_ms);
    if (input->needed && input->probed && input->says == DNS_SAYS_OTHERS &&
        now_ms - input->since_ms < DNS_HOLD_PROBED_MS)
        return verdict(DNS_HOLD_LEAVE, DNS_RULE_NEEDED, now_ms + DNS_HOLD_LOOK_MS);
    return verdict(DNS_HOLD_REMOVE, DNS_RULE_DRAINED, 0);
}

/* Without passing probes "no such name" is believed in the end; anything else is no reason to
 * forget an address that may come back. */
static struct dns_hold
nothing_is_said(const struct dns_hold_input *input, uint64_t now_ms)
{
    uint64_t hold_ms = input->probed ? DNS_HOLD_PROBED_MS : DNS_HOLD_BLIND_MS;
    uint64_t ends_ms = input->since_ms + hold_ms;
    uint64_t believed_ms = input->nxdomain_since_ms + DNS_HOLD_NXDOMAIN_MS;
    bool no_such_name = input->probed && !input->passes &&
                        input->nxdomains >= DNS_HOLD_NXDOMAINS;

    if (now_ms >= ends_ms)
        return verdict(DNS_HOLD_REMOVE, DNS_RULE_HOLD_OVER, 0);
    if (no_such_name && now_ms >= believed_ms)
        return verdict(DNS_HOLD_REMOVE, DNS_RULE_NXDOMAIN, 0);
    return verdict(DNS_HOLD_KEEP, DNS_RULE_HELD, no_such_name ? believed_ms : ends_ms);
}

struct dns_hold
dns_hold_decide(const struct dns_hold_input *input, uint64_t now_ms)
{
    switch (input->says) {
    case DNS_SAYS_IT:
        return verdict(DNS_HOLD_KEEP, DNS_RULE_NAMED, 0);
    case DNS_SAYS_NOTHING:
        return nothing_is_said(input, now_ms);
    default:
        return others_are_named(input, now_ms);
    }
}

const char *
dns_hold_describe(enum dns_hold_rule rule, const struct dns_hold_input *input, char *text,
                  size_t bytes)
{
    const char *gone = input->says == DNS_SAYS_NO_SERVICE
                           ? "the name says that there is no such service"
                           : "the name no longer has this address";
    double drain_s = input->drain_ms / 1000.0;

    switch (rule) {
    case DNS_RULE_NAMED:
        snprintf(text, bytes, "the name has this address again");
        break;
    case DNS_RULE_ROTATES:
        snprintf(text, bytes, "the name has other addresses each time; this one had its turn");
        break;
    case DNS_RULE_HELD:
        snprintf(text, bytes, "the last address known stays while DNS does not answer");
        break;
    case DNS_RULE_DRAINS:
        snprintf(text, bytes, "%s; drains for %g s", gone, drain_s);
        break;
    case DNS_RULE_NEEDED:
        snprintf(text, bytes, "%s, but nothing else works yet", gone);
        break;
    case DNS_RULE_DRAINED:
        snprintf(text, bytes, "%s; drained for %g s", gone, drain_s);
        break;
    case DNS_RULE_FAILS:
        snprintf(text, bytes, "%s, and its probes do not pass", gone);
        break;
    case DNS_RULE_NXDOMAIN:
        snprintf(text, bytes, "no such name, %" PRIu32 " times in a row, and its probes do not "
                              "pass", input->nxdomains);
        break;
    case DNS_RULE_HOLD_OVER:
        snprintf(text, bytes, "DNS has told nothing for %s",
                 input->probed ? "24 hours" : "an hour, and it has no probes");
        break;
    }
    return text;
}
