#include "config/settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config/canonical.h"
#include "config/print.h"
#include "config/settings_read.h"

void
settings_defaults(struct settings *settings)
{
    memset(settings, 0, sizeof *settings);
    settings->log_level = LOG_INFO;
    settings->log_format = LOG_TEXT;
    settings->probe_concurrency = 1024;
    settings->probe_concurrency_per_destination = 64;
    settings->dns_ttl_min_ms = 5000;
    settings->dns_ttl_max_ms = 300000;
    settings->dns_negative_min_ms = 5000;
    settings->dns_negative_max_ms = 30000;
    settings->dns_timeout_ms = 1000;
    settings->dns_tries = 3;
}

static void
print_dns(struct print *print, const struct settings *settings)
{
    char text[ADDRESS_TEXT_BYTES];

    fputs("dns = {\n  servers = (", print->stream);
    for (uint32_t i = 0; i < settings->dns_server_count; i++) {
        fputs(i > 0 ? ", " : "", print->stream);
        print_quoted(print, address_format(&settings->dns_servers[i], text));
    }
    fputs(");\n", print->stream);
    print_duration(print, 2, "ttl_min", settings->dns_ttl_min_ms);
    print_duration(print, 2, "ttl_max", settings->dns_ttl_max_ms);
    print_duration(print, 2, "negative_min", settings->dns_negative_min_ms);
    print_duration(print, 2, "negative_max", settings->dns_negative_max_ms);
    print_duration(print, 2, "timeout", settings->dns_timeout_ms);
    print_number(print, 2, "tries", settings->dns_tries);
    fputs("};\n", print->stream);
}

char *
settings_print(const struct settings *settings)
{
    struct print print;

    if (print_begin(&print) < 0)
        return NULL;
    print_text(&print, 0, "state_dir", settings->state_dir);
    print_text(&print, 0, "runtime_dir", settings->runtime_dir);
    /* Left out where nobody configured it: the absence is part of the value. */
    if (settings->log_level_set || settings->log_level != LOG_INFO)
        print_text(&print, 0, "log_level", log_level_name(settings->log_level));
    print_text(&print, 0, "log_format", settings->log_format == LOG_JSON ? "json" : "text");
    print_number(&print, 0, "threads", settings->threads);
    print_number(&print, 0, "worker_pool", settings->worker_pool);
    print_number(&print, 0, "probe_concurrency", settings->probe_concurrency);
    print_number(&print, 0, "probe_concurrency_per_destination",
                 settings->probe_concurrency_per_destination);
    print_dns(&print, settings);
    return print_end(&print);
}

int
settings_parse(const char *text, struct settings *settings, char *why)
{
    struct canonical canonical;
    struct settings read;
    int rc = canonical_open(&canonical, text, why);

    if (rc < 0)
        return rc;
    settings_defaults(&read);
    rc = settings_read(canonical.root, "", &canonical.problems, &read);
    rc = canonical_close(&canonical, rc);
    if (rc == 0)
        *settings = read;
    return rc;
}
