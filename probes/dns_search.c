#include "probes/dns_search.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { HEADER_BYTES = 12 };

void
dns_search_init(struct dns_search *search, ares_channel ares)
{
    struct ares_options saved;
    int mask;

    *search = (struct dns_search){ 0 };
    if (ares_save_options(ares, &saved, &mask) != ARES_SUCCESS)
        return;
    search->ndots = saved.ndots > 0 ? (uint32_t)saved.ndots : 0;
    search->domain_count = saved.ndomains > 0 ? (uint32_t)saved.ndomains : 0;
    search->domains = saved.domains;
    saved.domains = NULL;
    saved.ndomains = 0;
    ares_destroy_options(&saved);
}

void
dns_search_fini(struct dns_search *search)
{
    for (uint32_t i = 0; i < search->domain_count; i++)
        ares_free_string(search->domains[i]);
    ares_free_string(search->domains);
}

/* Is `asked` the name with `domain` behind it? */
static bool
is_within(const char *asked, const char *name, const char *domain)
{
    size_t bytes = strlen(name);

    return strncasecmp(asked, name, bytes) == 0 && asked[bytes] == '.' &&
           strcasecmp(asked + bytes + 1, domain) == 0;
}

static uint32_t
rank_of(const struct dns_search *search, const char *name, const char *asked)
{
    uint32_t dots = 0;

    for (uint32_t i = 0; i < search->domain_count; i++) {
        if (is_within(asked, name, search->domains[i]))
            return i + 1;
    }
    for (const char *c = name; *c != '\0'; c++)
        dots += *c == '.';
    return dots >= search->ndots ? 0 : search->domain_count + 1;
}

uint32_t
dns_search_rank(const struct dns_search *search, const char *name, const unsigned char *bytes,
                size_t length)
{
    uint32_t rank;
    char *asked;
    long used;

    if (length <= HEADER_BYTES || ares_expand_name(bytes + HEADER_BYTES, bytes, (int)length,
                                                   &asked, &used) != ARES_SUCCESS)
        return 0;
    rank = rank_of(search, name, asked);
    ares_free_string(asked);
    return rank;
}
