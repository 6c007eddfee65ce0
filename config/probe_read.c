#include "config/probe_read.h"

#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/app_read.h"
#include "config/probe_read_priv.h"
#include "config/probe_words.h"
#include "config/steps_read.h"

#define HOUR (60 * 60 * 1000)
#define DAY  (24 * HOUR)

/* ---- readers of what is like nothing else ---- */

/* An address is looked up all the time where it is a name; that is what targets are for. */
static void
address_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
             void *into)
{
    const char *text = setting->value.sval;
    char quoted[QUOTE_BYTES];
    struct address address;

    if (setting->type != CONFIG_TYPE_STRING)
        key_problem(reader, setting, key->name, "is %s; write address = \"10.0.0.7\"",
                    key_type_name(setting));
    else if (text == NULL || address_parse_ip(text, 0, &address) < 0)
        key_problem(reader, setting, key->name,
                    "%s is no IP address; write it without a port and without brackets, such as "
                    "\"10.0.0.7\" or \"2001:db8::7\"; the port has a key of its own",
                    problem_quote(text == NULL ? "" : text, quoted));
    else
        *(struct address *)into = address;
}

static void
name_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
          void *into)
{
    const char *text = line_of(reader, key, setting);
    size_t length = text == NULL ? 0 : strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_");

    if (text == NULL)
        return;
    if (text[length] != '\0' || length >= PROBE_NAME_BYTES)
        key_problem(reader, setting, key->name,
                    "is no name of a probe; allowed are a-z, 0-9, \"-\" and \"_\", at most %d "
                    "characters", PROBE_NAME_BYTES - 1);
    else
        strcpy(into, text);
}

/* ---- the table ---- */

#define AT(member) offsetof(struct app_probe, member)
#define NUMBER(key, member, from, to)                                                          \
    { key, key_read_number, AT(member), from, to, NULL, NULL, 0 }
#define DURATION(key, member, from, to)                                                        \
    { key, key_read_duration, AT(member), from, to, NULL, NULL, 0 }
#define MORE(key, read, number, from, to) { key, read, 0, from, to, NULL, NULL, number }
#define CHOICE(key, member, words)                                                             \
    { key, choice_read, 0, 0, 0, words, NULL, OF_MORE(member) }

const struct key probe_keys[] = {
    { "kind", key_read_word, AT(kind), 0, sizeof((struct app_probe *)0)->kind, kinds, NULL, 0 },
    { "name", name_read, AT(name), 0, 0, NULL, NULL, 0 },
    { "role", key_read_choice, AT(role), 0, 0, probe_role_words, NULL, 0 },
    DURATION("interval", interval_ms, 10, DAY),
    DURATION("timeout", timeout_ms, 1, HOUR),
    NUMBER("rise", rise, 1, 1000),
    NUMBER("fall", fall, 1, 1000),
    NUMBER("window", window, 0, PROBE_WINDOW_MAX),
    NUMBER("threshold", threshold, 1, PROBE_WINDOW_MAX),
    NUMBER("jitter", jitter_percent, 0, 50),
    NUMBER("port", port, 1, 65535),
    { "address", address_read, AT(address), 0, 0, NULL, NULL, 0 },
    { "send", steps_read, AT(steps), 0, 0, NULL, NULL, 0 },
    { "expect", steps_read, AT(steps), 0, 0, NULL, NULL, 0 },
    { "steps", steps_read, AT(steps), 0, 0, NULL, NULL, 0 },
    { "preset", steps_read, AT(steps), 0, 0, NULL, NULL, 0 },
    CHOICE("close", close, probe_close_words),
    CHOICE("proxy_protocol", proxy_protocol, probe_proxy_words),
    MORE("method", text_read, PROBE_METHOD, 0, 0),
    MORE("path", text_read, PROBE_PATH, 0, 0),
    MORE("host", text_read, PROBE_HOST, 0, 0),
    MORE("status", status_read, PROBE_STATUS, 0, 0),
    MORE("body", text_read, PROBE_BODY, 0, 0),
    MORE("headers", list_read, PROBE_HEADERS, 0, 0),
    MORE("sni", text_read, PROBE_SNI, 0, 0),
    MORE("ca", text_read, PROBE_CA, 0, 0),
    MORE("verify", flag_read, OF_MORE(verify), 0, 0),
    MORE("certificate_warn", more_duration_read, OF_MORE(certificate_warn_ms), 0, UINT32_MAX - 1),
    MORE("service", text_read, PROBE_SERVICE, 0, 0),
    MORE("tls", flag_read, OF_MORE(tls), 0, 0),
    MORE("command", list_read, PROBE_COMMAND, 0, 0),
    MORE("user", text_read, PROBE_USER, 0, 0),
    MORE("cpu_time", more_duration_read, OF_MORE(cpu_ms), 0, HOUR),
    { "type", word_read, 0, 0, 0, dns_types, NULL, PROBE_TYPE },
    MORE("ttl", more_duration_read, OF_MORE(ttl_ms), 10, DAY),
};
const uint32_t probe_key_count = ARRAY_SIZE(probe_keys);

/* ---- several ---- */

/* What an element does not say is what `probe` says, which may still be to be read. */
static const struct app_probe open_probe = {
    .kind = "tcp",
    .interval_ms = APP_DURATION_OPEN,
    .timeout_ms = APP_DURATION_OPEN,
    .rise = APP_DURATION_OPEN,
    .fall = APP_DURATION_OPEN,
    .window = APP_DURATION_OPEN,
    .threshold = APP_DURATION_OPEN,
    .jitter_percent = APP_DURATION_OPEN,
};

void
forget_list(struct app_probes *probes)
{
    for (uint32_t i = 0; i < probes->count; i++)
        app_probe_fini(&probes->list[i]);
    free(probes->list);
    probes->list = NULL;
    probes->count = 0;
}

void
probes_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
            void *into)
{
    struct app_probes *probes = into;
    int count = setting->type == CONFIG_TYPE_LIST ? config_setting_length(setting) : -1;
    struct key group = { .name = key->name, .keys = probe_keys, .key_count = probe_key_count };

    if (count < 0 || count > APP_PROBES_MAX) {
        key_problem(reader, setting, key->name,
                    "%s; write a list of at most %d: ( { name = \"live\"; kind = \"tcp\"; }, ... )",
                    count < 0 ? key_type_name(setting) : "there are too many", APP_PROBES_MAX);
        return;
    }
    forget_list(probes);
    probes->list = count == 0 ? NULL : calloc((size_t)count, sizeof *probes->list);
    probes->count = probes->list == NULL ? 0 : (uint32_t)count;
    reader->out_of_memory = reader->out_of_memory || (count > 0 && probes->list == NULL);
    for (uint32_t i = 0; i < probes->count; i++) {
        probes->list[i] = open_probe;
        key_read_group(reader, &group, config_setting_get_elem(setting, i), &probes->list[i]);
    }
}

void
probes_require_read(struct reader *reader, const struct key *key,
                    const struct config_setting_t *setting, void *into)
{
    struct app_probes *probes = into;
    const char *text = line_of(reader, key, setting);
    unsigned number, of;
    int end = 0;

    if (text == NULL)
        return;
    if (strcmp(text, "all") == 0) {
        probes->required = probes->required_of = 0;
    } else if (strcmp(text, "any") == 0) {
        probes->required = 1;
        probes->required_of = 0;
    } else if (sscanf(text, "%3u of %3u%n", &number, &of, &end) == 2 && text[end] == '\0' &&
               number >= 1 && number <= of && of <= APP_PROBES_MAX) {
        probes->required = number;
        probes->required_of = of;
    } else {
        key_problem(reader, setting, key->name, "write \"all\", \"any\" or \"2 of 3\"");
    }
}
