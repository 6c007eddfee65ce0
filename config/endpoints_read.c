#include "config/endpoints_read.h"

#include <ctype.h>
#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/app_read.h"

#define PORT_FORMS                                                                             \
    "write 5001, \"5300-5310\", \"127.0.0.1:5500\", \"127.0.0.1:5500-5510\" or \"[::1]:5400\""
#define TARGET_FORMS                                                                           \
    "write \"host:port\", \"10.0.0.7:5001\", \"[::1]:5001\" or { address = \"host:port\"; }"

static bool
is_sequence(const struct config_setting_t *setting)
{
    return setting->type == CONFIG_TYPE_LIST || setting->type == CONFIG_TYPE_ARRAY;
}

/* The elements of a sequence; a single value stands for a sequence of one. */
static unsigned
element_count(const struct config_setting_t *setting)
{
    return is_sequence(setting) ? (unsigned)config_setting_length(setting) : 1;
}

static const struct config_setting_t *
element(const struct config_setting_t *setting, unsigned index)
{
    return is_sequence(setting) ? config_setting_get_elem(setting, index) : setting;
}

/* Makes room for one more; doubles, so that 4,096 ports do not cost 4,096 copies. */
static bool
ports_grow(struct app_draft *draft)
{
    uint32_t count = draft->app.port_count, room = count == 0 ? 8 : count * 2;
    struct app_listen *ports;
    unsigned *lines;

    if ((count & (count - 1)) != 0 || (count != 0 && count < 8))
        return true; /* room is 8 or the power of two above */
    ports = reallocarray(draft->app.ports, room, sizeof *ports);
    if (ports != NULL)
        draft->app.ports = ports;
    lines = reallocarray(draft->port_lines, room, sizeof *lines);
    if (lines != NULL)
        draft->port_lines = lines;
    return ports != NULL && lines != NULL;
}

/* False when the app cannot take more: the reason was told. */
static bool
port_add(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
         struct app_draft *draft, const struct address *address, uint32_t port)
{
    struct app_config *app = &draft->app;

    if (app->port_count == APP_PORTS_MAX) {
        key_problem(reader, setting, key->name, "more than %u ports; split the app",
                    APP_PORTS_MAX);
        return false;
    }
    if (!ports_grow(draft)) {
        reader->out_of_memory = true;
        return false;
    }
    app->ports[app->port_count].address = *address;
    app->ports[app->port_count].address.port = (uint16_t)port;
    draft->port_lines[app->port_count++] = setting->line;
    return true;
}

/* Digits only, up to 65535; returns what follows, or NULL. */
static const char *
parse_port(const char *text, uint32_t *port)
{
    *port = 0;
    if (!isdigit((unsigned char)*text))
        return NULL;
    for (; isdigit((unsigned char)*text); text++) {
        *port = *port * 10 + (uint32_t)(*text - '0');
        if (*port > 65535)
            *port = 65536; /* stays out of range, and small */
    }
    return text;
}

/* The IP in front of the port, if any; `*ports` is what follows it. NULL or a reason. */
static const char *
split_listen(const char *text, struct address *address, const char **ports)
{
    const char *colon = strrchr(text, ':'), *from = text, *to = colon;
    char ip[HOST_NAME_BYTES];

    memset(address, 0, sizeof *address);
    *ports = text;
    if (colon == NULL)
        return NULL;
    *ports = colon + 1;
    if (*text == '[') {
        if (colon == text || colon[-1] != ']')
            return "an IPv6 address stands in brackets, the port after them";
        from++;
        to--;
    }
    if ((size_t)(to - from) >= sizeof ip)
        return "the address is no IP address";
    memcpy(ip, from, (size_t)(to - from));
    ip[to - from] = '\0';
    if ((*text == '[') != (strchr(ip, ':') != NULL))
        return *text == '[' ? "only an IPv6 address stands in brackets"
                            : "an IPv6 address stands in brackets, the port after them";
    if (address_parse_ip(ip, 0, address) < 0)
        return "the address must be an IP address of this host; for all of them write the "
               "port alone";
    return NULL;
}

static void
port_text(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
          const char *text, struct app_draft *draft)
{
    const char *ports, *end, *why;
    char quoted[QUOTE_BYTES];
    struct address address;
    uint32_t first, last;

    problem_quote(text, quoted);
    why = split_listen(text, &address, &ports);
    if (why != NULL) {
        key_problem(reader, setting, key->name, "%s: %s", quoted, why);
        return;
    }
    end = parse_port(ports, &first);
    last = first;
    if (end != NULL && *end == '-')
        end = parse_port(end + 1, &last);
    if (end == NULL || *end != '\0')
        key_problem(reader, setting, key->name, "%s is no port; " PORT_FORMS, quoted);
    else if (first < 1 || first > 65535 || last < 1 || last > 65535)
        key_problem(reader, setting, key->name, "%s is out of range; allowed is 1 to 65535",
                    quoted);
    else if (last < first)
        key_problem(reader, setting, key->name, "%s ends before it begins", quoted);
    else
        while (first <= last && port_add(reader, key, setting, draft, &address, first))
            first++;
}

static void
port_element(struct reader *reader, const struct key *key,
             const struct config_setting_t *setting, struct app_draft *draft)
{
    static const struct address every_address;
    int64_t number;

    if (setting->type == CONFIG_TYPE_STRING)
        port_text(reader, key, setting, setting->value.sval == NULL ? "" : setting->value.sval,
                  draft);
    else if (key_integer(setting, &number) < 0)
        key_problem(reader, setting, key->name, "a port cannot be %s; " PORT_FORMS,
                    key_type_name(setting));
    else if (number < 1 || number > 65535)
        key_problem(reader, setting, key->name, "%lld is out of range; allowed is 1 to 65535",
                    (long long)number);
    else
        port_add(reader, key, setting, draft, &every_address, (uint32_t)number);
}

void
ports_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
           void *into)
{
    unsigned count = element_count(setting);
    struct app_draft *draft = into;

    if (count == 0)
        key_problem(reader, setting, key->name,
                    "is empty; an app needs at least one port to listen on, such as 5001");
    for (unsigned i = 0; i < count; i++) {
        port_element(reader, key, element(setting, i), draft);
        if (draft->app.port_count == APP_PORTS_MAX && i + 1 < count) {
            key_problem(reader, element(setting, i + 1), key->name,
                        "more than %u ports; split the app", APP_PORTS_MAX);
            break;
        }
    }
}

static void
target_add(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
           struct app_config *app)
{
    const char *text = setting->value.sval == NULL ? "" : setting->value.sval, *why;
    char quoted[QUOTE_BYTES];
    int rc = app_target_init(&app->targets[app->target_count], text, &why);

    if (rc == 0)
        app->target_count++;
    else if (rc == -ENOMEM)
        reader->out_of_memory = true;
    else if (*text == '\0')
        key_problem(reader, setting, key->name, "a target is empty; " TARGET_FORMS);
    else
        key_problem(reader, setting, key->name, "%s: %s", problem_quote(text, quoted), why);
}

/* A target as a group: its keys come in any order. */
struct target_group {
    struct app_config *app;
    uint32_t weight, tier;
};

static void
target_address_read(struct reader *reader, const struct key *key,
                    const struct config_setting_t *setting, void *into)
{
    const struct target_group *group = into;

    if (setting->type == CONFIG_TYPE_STRING)
        target_add(reader, key, setting, group->app);
    else
        key_problem(reader, setting, key->name, "is %s; write address = \"host:port\"",
                    key_type_name(setting));
}

static const struct key target_keys[] = {
    { .name = "address", .read = target_address_read },
    { .name = "weight", .read = key_read_number, .min = 1, .max = APP_WEIGHT_MAX,
      .offset = offsetof(struct target_group, weight) },
    { .name = "tier", .read = key_read_number, .min = 0, .max = APP_TIER_MAX,
      .offset = offsetof(struct target_group, tier) },
};

static void
target_group_read(struct reader *reader, const struct key *key,
                  const struct config_setting_t *setting, struct app_config *app)
{
    const struct key keys = { .name = key->name, .keys = target_keys,
                              .key_count = ARRAY_SIZE(target_keys) };
    struct target_group group = { .app = app, .weight = 1 };
    uint32_t index = app->target_count;

    key_read_group(reader, &keys, setting, &group);
    if (app->target_count == index)
        return;                 /* no good address: that was told */
    app->targets[index].weight = (uint16_t)group.weight;
    app->targets[index].tier = (uint16_t)group.tier;
}

static void
target_element(struct reader *reader, const struct key *key,
               const struct config_setting_t *setting, struct app_config *app)
{
    if (setting->type == CONFIG_TYPE_STRING)
        target_add(reader, key, setting, app);
    else if (setting->type != CONFIG_TYPE_GROUP)
        key_problem(reader, setting, key->name, "a target cannot be %s; " TARGET_FORMS,
                    key_type_name(setting));
    else if (config_setting_get_member(setting, "address") == NULL)
        key_problem(reader, setting, key->name, "a target without an address; " TARGET_FORMS);
    else
        target_group_read(reader, key, setting, app);
}

/* What two targets share when they are the same, whatever their text. */
static int
target_compare(const struct app_target *a, const struct app_target *b)
{
    int order = (int)a->address.family - (int)b->address.family;
    char host[HOST_NAME_BYTES], other[HOST_NAME_BYTES];

    if (order != 0)
        return order;
    if (a->address.family != 0)
        return memcmp(&a->address, &b->address, sizeof a->address);
    app_target_host(a, host);
    app_target_host(b, other);
    order = strcasecmp(host, other);
    return order != 0 ? order : (int)a->port - (int)b->port;
}

static int
target_order(const void *a, const void *b)
{
    const struct app_target *const *left = a, *const *right = b;
    int order = target_compare(*left, *right);

    return order != 0 ? order : (*left > *right) - (*left < *right);
}

/* Through a sorted list: thousands of targets must not cost millions of comparisons. */
static void
targets_check(struct reader *reader, const struct key *key,
              const struct config_setting_t *setting, const struct app_config *app)
{
    const struct app_target **sorted = calloc(app->target_count + 1, sizeof *sorted);
    char quoted[QUOTE_BYTES], first[QUOTE_BYTES];

    if (sorted == NULL) {
        reader->out_of_memory = true;
        return;
    }
    for (uint32_t i = 0; i < app->target_count; i++)
        sorted[i] = &app->targets[i];
    qsort(sorted, app->target_count, sizeof *sorted, target_order);
    for (uint32_t i = 1; i < app->target_count; i++)
        if (target_compare(sorted[i - 1], sorted[i]) == 0)
            key_problem(reader, setting, key->name, "%s is the same target as %s before it",
                        problem_quote(sorted[i]->name, quoted),
                        problem_quote(sorted[i - 1]->name, first));
    free(sorted);
}

void
targets_read(struct reader *reader, const struct key *key,
             const struct config_setting_t *setting, void *into)
{
    struct app_config *app = &((struct app_draft *)into)->app;
    unsigned count = setting->type == CONFIG_TYPE_GROUP ? 1 : element_count(setting);

    if (count == 0)
        key_problem(reader, setting, key->name,
                    "is empty; an app needs at least one target: " TARGET_FORMS);
    if (count > APP_TARGETS_MAX) {
        key_problem(reader, setting, key->name, "%u targets; at most %u are allowed", count,
                    APP_TARGETS_MAX);
        return;
    }
    app->targets = calloc(MAX(count, 1), sizeof *app->targets);
    if (app->targets == NULL) {
        reader->out_of_memory = true;
        return;
    }
    for (unsigned i = 0; i < count; i++)
        target_element(reader, key, element(setting, i), app);
    targets_check(reader, key, setting, app);
}
