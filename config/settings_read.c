#include "config/settings_read.h"

#include <libconfig.h>
#include <string.h>

#include "config/duration.h"
#include "config/keys.h"

#define AT(member) offsetof(struct settings, member)

enum { DNS_PORT = 53 };

static const char *const level_words[] = {[LOG_ERROR] = "error", [LOG_WARN] = "warn",
                                          [LOG_INFO] = "info", [LOG_DEBUG] = "debug", NULL};
static const char *const format_words[] = {[LOG_TEXT] = "text", [LOG_JSON] = "json", NULL};

_Static_assert(ARRAY_SIZE(level_words) == LOG_LEVELS + 1, "name every level");

static key_read_fn log_level_read, directory_read, dns_servers_read;

#define MINUTE (60 * 1000)
#define DAY    (24 * 60 * MINUTE)

static const struct key dns_keys[] = {
    {"servers", dns_servers_read, 0, 0, 0, NULL, NULL, 0},
    {"ttl_min", key_read_duration, AT(dns_ttl_min_ms), 0, DAY, NULL, NULL, 0},
    {"ttl_max", key_read_duration, AT(dns_ttl_max_ms), 1000, 7 * DAY, NULL, NULL, 0},
    {"negative_min", key_read_duration, AT(dns_negative_min_ms), 1000, DAY, NULL, NULL, 0},
    {"negative_max", key_read_duration, AT(dns_negative_max_ms), 1000, DAY, NULL, NULL, 0},
    {"timeout", key_read_duration, AT(dns_timeout_ms), 10, MINUTE, NULL, NULL, 0},
    {"tries", key_read_number, AT(dns_tries), 1, 10, NULL, NULL, 0},
};

static const struct key settings_keys[] = {
    {"state_dir", directory_read, AT(state_dir), 0, PATH_BYTES, NULL, NULL, 0},
    {"runtime_dir", directory_read, AT(runtime_dir), 0, PATH_BYTES, NULL, NULL, 0},
    {"log_level", log_level_read, 0, 0, 0, level_words, NULL, 0},
    {"log_format", key_read_choice, AT(log_format), 0, 0, format_words, NULL, 0},
    {"threads", key_read_number, AT(threads), 0, 64, NULL, NULL, 0},
    {"worker_pool", key_read_number, AT(worker_pool), 0, WORKER_POOL_MAX, NULL, NULL, 0},
    {"probe_concurrency", key_read_number, AT(probe_concurrency), 1, 65535, NULL, NULL, 0},
    {"probe_concurrency_per_destination", key_read_number,
     AT(probe_concurrency_per_destination), 1, 65535, NULL, NULL, 0},
    {"dns", key_read_group, 0, 0, 0, NULL, dns_keys, ARRAY_SIZE(dns_keys)},
};

static void
log_level_read(struct reader *reader, const struct key *key,
               const struct config_setting_t *setting, void *into)
{
    struct settings *settings = into;
    unsigned problems = reader->problems->count;

    key_read_choice(reader, key, setting, &settings->log_level);
    settings->log_level_set = reader->problems->count == problems;
}

/* Absolute, for the daemon does not promise where it stands; empty: not configured. */
static void
directory_read(struct reader *reader, const struct key *key,
               const struct config_setting_t *setting, void *into)
{
    char *path = into, quoted[QUOTE_BYTES];

    key_read_text(reader, key, setting, path);
    if (*path != '\0' && *path != '/') {
        key_problem(reader, setting, key->name,
                    "%s is not absolute; a directory begins with \"/\"",
                    problem_quote(path, quoted));
        *path = '\0';
    }
}

/* "IP", "IPv4:port" or "[IPv6]:port". */
static int
server_parse(const char *text, struct address *server)
{
    char host[HOST_NAME_BYTES];
    const char *why;
    uint16_t port;

    if (address_parse_ip(text, DNS_PORT, server) == 0)
        return 0;
    if (address_split(text, host, &port, &why) < 0)
        return -1;
    return port == 0 ? -1 : address_parse_ip(host, port, server);
}

static void
dns_servers_read(struct reader *reader, const struct key *key,
                 const struct config_setting_t *setting, void *into)
{
    bool is_list = setting->type == CONFIG_TYPE_LIST || setting->type == CONFIG_TYPE_ARRAY;
    unsigned count = is_list ? (unsigned)config_setting_length(setting) : 1;
    struct settings *settings = into;
    char quoted[QUOTE_BYTES];

    if (count > DNS_SERVERS_MAX) {
        key_problem(reader, setting, key->name, "%u servers; at most %u are allowed", count,
                    DNS_SERVERS_MAX);
        return;
    }
    settings->dns_server_count = 0;
    for (unsigned i = 0; i < count; i++) {
        const config_setting_t *server =
            is_list ? config_setting_get_elem(setting, i) : setting;
        struct address *address = &settings->dns_servers[settings->dns_server_count];
        const char *text = server->type == CONFIG_TYPE_STRING ? server->value.sval : NULL;

        if (text != NULL && server_parse(text, address) == 0) {
            settings->dns_server_count++;
            continue;
        }
        memset(address, 0, sizeof *address);
        key_problem(reader, server, key->name,
                    "%s is no server; write its IP address with or without a port: "
                    "\"192.0.2.53\", \"127.0.0.1:5353\", \"[2001:db8::53]:53\"",
                    text != NULL ? problem_quote(text, quoted) : key_type_name(server));
    }
}

/* A pair that must be in order. One that is not stays as it was, so that what holds instead
 * can be printed and read back. */
static void
check_order(struct reader *reader, const struct config_setting_t *group, const char *min_key,
            uint32_t *min_ms, const char *max_key, uint32_t *max_ms, const uint32_t before[2])
{
    char min[DURATION_TEXT_BYTES], max[DURATION_TEXT_BYTES];

    if (*min_ms <= *max_ms)
        return;
    key_problem(reader, group, min_key, "%s is more than %s, %s",
                duration_format(*min_ms, min), max_key, duration_format(*max_ms, max));
    *min_ms = before[0];
    *max_ms = before[1];
}

int
settings_read(const struct config_setting_t *group, const char *prefix,
              struct problems *problems, struct settings *settings)
{
    const uint32_t ttl[] = {settings->dns_ttl_min_ms, settings->dns_ttl_max_ms};
    const uint32_t negative[] = {settings->dns_negative_min_ms, settings->dns_negative_max_ms};
    struct reader reader = {.problems = problems, .prefix = prefix};
    const config_setting_t *dns = config_setting_get_member(group, "dns");

    if (dns == NULL)
        dns = group;
    keys_read(&reader, group, settings_keys, ARRAY_SIZE(settings_keys), settings);
    check_order(&reader, dns, "dns.ttl_min", &settings->dns_ttl_min_ms, "dns.ttl_max",
                &settings->dns_ttl_max_ms, ttl);
    check_order(&reader, dns, "dns.negative_min", &settings->dns_negative_min_ms,
                "dns.negative_max", &settings->dns_negative_max_ms, negative);
    return 0;
}
