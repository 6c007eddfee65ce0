#include "config/probe_read.h"

#include <ctype.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/app_read.h"
#include "config/duration.h"
#include "config/probe_words.h"
#include "config/steps_read.h"

enum { PROBE_TIMEOUT_MS = 2000, EXEC_TIMEOUT_MS = 5000 };

#define HOUR (60 * 60 * 1000)
#define DAY  (24 * HOUR)

/* ---- kinds, and which keys they have ---- */

enum {
    TCP = 1 << 0,
    EXCHANGE = 1 << 1,
    HTTP = 1 << 2,
    HTTPS = 1 << 3,
    TLS = 1 << 4,
    GRPC = 1 << 5,
    EXEC = 1 << 6,
    HELPER = 1 << 7,
    DNS = 1 << 8,
    PUSH = 1 << 9,
    TRAFFIC = 1 << 10,
    NONE = 1 << 11,
    TALKS = TCP | EXCHANGE,
    WEB = HTTP | HTTPS,
    CERTIFIED = HTTPS | TLS | GRPC,
    PROGRAM = EXEC | HELPER,
};

/* In the order of the flags. Mirrors kinds[] of probes/probe.c, which lies in a layer that this
 * one may not include; `none` is no kind there. */
static const char *const kinds[] = {
    "tcp", "exchange", "http", "https", "tls", "grpc", "exec",
    "helper", "dns", "push", "traffic", "none", NULL,
};

const char *const probe_role_words[] = { [PROBE_READINESS] = "readiness",
                                         [PROBE_STARTUP] = "startup",
                                         [PROBE_LIVENESS] = "liveness",
                                         NULL };
const char *const probe_close_words[] = { [PROBE_CLOSE_FIN] = "fin",
                                          [PROBE_CLOSE_RST] = "rst",
                                          [PROBE_CLOSE_BANNER] = "banner",
                                          NULL };
const char *const probe_proxy_words[] = { [PROBE_PROXY_OFF] = "off",
                                          [PROBE_PROXY_V1] = "v1",
                                          [PROBE_PROXY_V2] = "v2",
                                          NULL };
const char *const probe_text_keys[PROBE_TEXTS] = {
    [PROBE_METHOD] = "method", [PROBE_PATH] = "path",       [PROBE_HOST] = "host",
    [PROBE_STATUS] = "status", [PROBE_BODY] = "body",       [PROBE_SNI] = "sni",
    [PROBE_CA] = "ca",         [PROBE_SERVICE] = "service", [PROBE_USER] = "user",
    [PROBE_TYPE] = "type",
};
const char *const probe_list_keys[PROBE_LISTS] = { [PROBE_HEADERS] = "headers",
                                                   [PROBE_COMMAND] = "command" };

/* Mirrors the types of probes/dns_question.c. */
static const char *const dns_types[] = { "A",  "AAAA", "CNAME", "MX",  "NS",
                                         "PTR", "SOA",  "SRV",   "TXT", NULL };

/* Keys that only some kinds have. */
static const struct {
    const char *key;
    unsigned kinds;
} belongs[] = {
    { "send", TALKS },          { "expect", TALKS },      { "steps", TALKS },
    { "preset", TALKS },        { "close", TALKS },       { "method", WEB },
    { "path", WEB },            { "host", WEB | GRPC | DNS }, { "status", WEB },
    { "body", WEB },            { "headers", WEB | GRPC }, { "sni", CERTIFIED },
    { "ca", CERTIFIED },        { "verify", CERTIFIED },  { "certificate_warn", CERTIFIED },
    { "service", GRPC },        { "tls", GRPC },          { "command", PROGRAM },
    { "user", PROGRAM },        { "cpu_time", PROGRAM },  { "type", DNS },
    { "port", ~(unsigned)PUSH }, { "address", ~(unsigned)PUSH },
    { "ttl", PUSH },            { "proxy_protocol", TALKS },
};

static unsigned
kinds_with(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(belongs); i++) {
        if (strcmp(belongs[i].key, key) == 0)
            return belongs[i].kinds;
    }
    return ~0u;
}

static unsigned
kind_flag(const char *kind)
{
    for (unsigned i = 0; kinds[i] != NULL; i++) {
        if (strcmp(kinds[i], kind) == 0)
            return 1u << i;
    }
    return 0;
}

/* ---- readers ---- */

#define AT(member) offsetof(struct app_probe, member)
#define NUMBER(key, member, from, to)                                                          \
    { key, key_read_number, AT(member), from, to, NULL, NULL, 0 }
#define DURATION(key, member, from, to)                                                        \
    { key, key_read_duration, AT(member), from, to, NULL, NULL, 0 }
#define MORE(key, read, number, from, to) { key, read, 0, from, to, NULL, NULL, number }

static struct app_probe_more *
more_of(struct reader *reader, void *into)
{
    struct app_probe_more *more = app_probe_make_more(into);

    reader->out_of_memory = reader->out_of_memory || more == NULL;
    return more;
}

static void
set_text(struct reader *reader, void *into, uint32_t which, const char *text)
{
    struct app_probe_more *more = more_of(reader, into);
    char *copy = more == NULL ? NULL : strdup(text);

    if (copy == NULL) {
        reader->out_of_memory = true;
        return;
    }
    free(more->texts[which]);
    more->texts[which] = copy;
}

static bool
is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (iscntrl((unsigned char)*text))
            return false;
    }
    return true;
}

/* A text of one line that is not empty, or NULL; the latter was told. */
static const char *
line_of(struct reader *reader, const struct key *key, const struct config_setting_t *setting)
{
    const char *text = setting->value.sval;

    if (setting->type != CONFIG_TYPE_STRING)
        key_problem(reader, setting, key->name, "is %s; it must be a string in double quotes",
                    key_type_name(setting));
    else if (text == NULL || *text == '\0')
        key_problem(reader, setting, key->name, "is empty");
    else if (strlen(text) > PROBE_TEXT_BYTES_MAX)
        key_problem(reader, setting, key->name, "is %zu bytes long; at most %d are allowed",
                    strlen(text), PROBE_TEXT_BYTES_MAX);
    else if (!is_printable(text))
        key_problem(reader, setting, key->name, "has a line end or another control character");
    else
        return text;
    return NULL;
}

/* key->key_count: which text. */
static void
text_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
          void *into)
{
    const char *text = line_of(reader, key, setting);

    if (text == NULL)
        return;
    if (key->key_count == PROBE_PATH && text[0] != '/')
        key_problem(reader, setting, key->name, "must begin with \"/\", such as \"/health\"");
    else
        set_text(reader, into, key->key_count, text);
}

/* key->key_count: the offset in struct app_probe_more, as in the next. */
static void
more_duration_read(struct reader *reader, const struct key *key,
                   const struct config_setting_t *setting, void *into)
{
    struct app_probe_more *more = more_of(reader, into);

    if (more != NULL)
        key_read_duration(reader, key, setting, (char *)more + key->key_count);
}

/* key->words: one of these. */
static void
word_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
          void *into)
{
    unsigned none = UINT32_MAX, which = none;

    key_read_choice(reader, key, setting, &which);
    if (which != none)
        set_text(reader, into, key->key_count, key->words[which]);
}

static void
flag_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
          void *into)
{
    struct app_probe_more *more;

    if (setting->type != CONFIG_TYPE_BOOL) {
        key_problem(reader, setting, key->name, "is %s; write true or false",
                    key_type_name(setting));
        return;
    }
    more = more_of(reader, into);
    if (more != NULL)
        *(uint32_t *)((char *)more + key->key_count) = setting->value.ival != 0;
}

/* key->words: one of these. */
static void
choice_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
            void *into)
{
    struct app_probe_more *more = more_of(reader, into);

    if (more != NULL)
        key_read_choice(reader, key, setting, (char *)more + key->key_count);
}

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

/* ---- status ---- */

#define STATUS_FORMS "write \"200-399\", \"200,204\" or [ 200, 204 ]"

/* "200" or "200-299" at `*at`, which moves behind it. */
static bool
status_range(const char **at)
{
    char *end;
    unsigned long from = strtoul(*at, &end, 10), to = from;

    if (!isdigit((unsigned char)**at))
        return false;
    if (*end == '-') {
        *at = end + 1;
        if (!isdigit((unsigned char)**at))
            return false;
        to = strtoul(*at, &end, 10);
    }
    *at = end;
    return from >= 100 && to <= 599 && from <= to;
}

static bool
is_status(const char *text)
{
    do {
        if (!status_range(&text))
            return false;
    } while (*text++ == ',');
    return text[-1] == '\0';
}

/* The elements of a list, as text without spaces. */
static bool
status_join(const struct config_setting_t *list, char *text, size_t room)
{
    size_t at = 0;

    for (int i = 0; i < config_setting_length(list) && at < room; i++) {
        const config_setting_t *element = config_setting_get_elem(list, (unsigned)i);
        const char *comma = i > 0 ? "," : "";
        int64_t number;

        if (key_integer(element, &number) == 0)
            at += (size_t)snprintf(text + at, room - at, "%s%lld", comma, (long long)number);
        else if (element->type == CONFIG_TYPE_STRING && element->value.sval != NULL)
            at += (size_t)snprintf(text + at, room - at, "%s%s", comma, element->value.sval);
        else
            return false;
    }
    return at > 0 && at < room;
}

static void
squeeze(char *text)
{
    char *to = text;

    for (; *text != '\0'; text++) {
        if (*text != ' ')
            *to++ = *text;
    }
    *to = '\0';
}

static void
status_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
            void *into)
{
    char text[PROBE_TEXT_BYTES_MAX] = "", quoted[QUOTE_BYTES];
    int64_t number;
    bool told = true;

    if (setting->type == CONFIG_TYPE_LIST || setting->type == CONFIG_TYPE_ARRAY)
        told = status_join(setting, text, sizeof text);
    else if (key_integer(setting, &number) == 0)
        snprintf(text, sizeof text, "%lld", (long long)number);
    else if (setting->type == CONFIG_TYPE_STRING && setting->value.sval != NULL)
        snprintf(text, sizeof text, "%s", setting->value.sval);
    squeeze(text);
    if (!told || !is_status(text))
        key_problem(reader, setting, key->name,
                    "%s is no status of HTTP, which are 100 to 599; " STATUS_FORMS,
                    problem_quote(text, quoted));
    else
        set_text(reader, into, PROBE_STATUS, text);
}

/* ---- lists ---- */

static bool
list_add(struct app_list *list, const char *text)
{
    char **grown = reallocarray(list->items, list->count + 1, sizeof *grown);

    if (grown == NULL)
        return false;
    list->items = grown;
    grown[list->count] = strdup(text);
    if (grown[list->count] == NULL)
        return false;
    list->count++;
    return true;
}

static void
list_clear(struct app_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct app_list){ 0 };
}

static bool
is_header(const char *text)
{
    size_t name = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789!#$%&'*+-.^_`|~");

    return name > 0 && text[name] == ':';       /* RFC 9110, 5.6.2 */
}

/* key->key_count: which list. A single text stands for a command line, which the shell takes
 * apart. */
static void
list_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
          void *into)
{
    struct app_probe_more *more = more_of(reader, into);
    struct app_list *list = more == NULL ? NULL : &more->lists[key->key_count];
    bool one = setting->type == CONFIG_TYPE_STRING, whole = list != NULL;
    int count = one ? 1 : config_setting_length(setting);

    if (list == NULL)
        return;
    list_clear(list);
    if (!one && setting->type != CONFIG_TYPE_LIST && setting->type != CONFIG_TYPE_ARRAY) {
        key_problem(reader, setting, key->name,
                    "is %s; write a list of strings: ( \"...\", \"...\" )",
                    key_type_name(setting));
        return;
    }
    if (count == 0 || count > PROBE_LIST_MAX) {
        key_problem(reader, setting, key->name, "has %d texts; 1 to %d are allowed", count,
                    PROBE_LIST_MAX);
        return;
    }
    if (one && key->key_count == PROBE_COMMAND)
        whole = list_add(list, "/bin/sh") && list_add(list, "-c");
    for (int i = 0; i < count && whole; i++) {
        const config_setting_t *element =
            one ? setting : config_setting_get_elem(setting, (unsigned)i);
        const char *text = line_of(reader, key, element);

        if (text == NULL)
            return;
        if (key->key_count == PROBE_HEADERS && !is_header(text)) {
            key_problem(reader, element, key->name, "is no header; write \"Name: value\"");
            return;
        }
        whole = list_add(list, text);
    }
    reader->out_of_memory = reader->out_of_memory || !whole;
}

/* ---- the table ---- */

#define OF_MORE(member) offsetof(struct app_probe_more, member)
#define CHOICE(key, member, words)                                                             \
    { key, choice_read, 0, 0, 0, words, NULL, OF_MORE(member) }

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

static void
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

/* ---- when all was read ---- */

static void
fill_in(struct app_probe *probe, const struct app_probe *from)
{
    uint32_t *own[] = { &probe->interval_ms, &probe->rise, &probe->fall,
                        &probe->jitter_percent };
    const uint32_t others[] = { from->interval_ms, from->rise, from->fall,
                                from->jitter_percent };

    /* A threshold says nothing without its window. */
    if (probe->threshold == APP_DURATION_OPEN)
        probe->threshold = probe->window == APP_DURATION_OPEN ? from->threshold : 0;
    if (probe->window == APP_DURATION_OPEN)
        probe->window = from->window;
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        if (*own[i] == APP_DURATION_OPEN)
            *own[i] = others[i];
    }
}

static const struct config_setting_t *
member_or(const struct config_setting_t *group, const char *name)
{
    const config_setting_t *member = config_setting_get_member(group, name);

    return member != NULL ? member : group;
}

/* Where problems of a probe are told; NULL: it is inherited. */
struct place {
    const struct config_setting_t *app, *group;
    const char *prefix;                 /* "probe." */
};

static void
tell(struct reader *reader, const struct place *place, const char *key, const char *text)
{
    const struct config_setting_t *at =
        place->group != NULL ? member_or(place->group, key) : place->app;
    char name[PROBLEM_KEY_BYTES];

    snprintf(name, sizeof name, "%s%s", place->prefix, key);
    key_problem(reader, at, name, "%s", text);
}

/* What the group says that its kind does not have. */
static void
check_keys(struct reader *reader, const struct place *place, const struct app_probe *probe)
{
    int count = place->group == NULL ? 0 : config_setting_length(place->group);
    unsigned flag = kind_flag(probe->kind);
    char text[PROBLEM_BYTES], list[PROBLEM_BYTES / 2];

    for (int i = 0; i < count; i++) {
        const config_setting_t *member = config_setting_get_elem(place->group, (unsigned)i);
        unsigned allowed = kinds_with(member->name);
        size_t at = 0;

        if (allowed & flag)
            continue;
        for (unsigned k = 0; kinds[k] != NULL && at < sizeof list; k++) {
            if (allowed & (1u << k))
                at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at > 0 ? ", " : "",
                                       kinds[k]);
        }
        snprintf(text, sizeof text, "is no key of the kind \"%s\", but of %s", probe->kind, list);
        tell(reader, place, member->name, text);
    }
}

/* Else they would be printed, and could not be read back. */
static void
drop_foreign_numbers(struct app_probe_more *more, unsigned flag)
{
    static const struct {
        const char *key;
        size_t offset;
    } numbers[] = {
        { "close", OF_MORE(close) },   { "proxy_protocol", OF_MORE(proxy_protocol) },
        { "verify", OF_MORE(verify) }, { "certificate_warn", OF_MORE(certificate_warn_ms) },
        { "tls", OF_MORE(tls) },       { "ttl", OF_MORE(ttl_ms) },
        { "cpu_time", OF_MORE(cpu_ms) },
    };

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        size_t at = numbers[i].offset;

        if (!(kinds_with(numbers[i].key) & flag))
            *(uint32_t *)((char *)more + at) =
                *(const uint32_t *)((const char *)&app_probe_more_defaults + at);
    }
}

/* What it inherited, but its kind does not have. */
static void
drop_foreign(struct app_probe *probe)
{
    unsigned flag = kind_flag(probe->kind);
    struct app_probe_more *more = probe->more;

    if (!(flag & TALKS))
        steps_fini(&probe->steps);
    if (flag == PUSH) {
        probe->port = 0;
        probe->address = (struct address){ 0 };
    }
    if (more == NULL)
        return;
    for (int i = 0; i < PROBE_TEXTS; i++) {
        if (kinds_with(probe_text_keys[i]) & flag)
            continue;
        free(more->texts[i]);
        more->texts[i] = NULL;
    }
    for (int i = 0; i < PROBE_LISTS; i++) {
        if (!(kinds_with(probe_list_keys[i]) & flag))
            list_clear(&more->lists[i]);
    }
    drop_foreign_numbers(more, flag);
}

static void
check_durations(struct reader *reader, const struct place *place, struct app_probe *probe)
{
    char text[PROBLEM_BYTES], timeout[DURATION_TEXT_BYTES], interval[DURATION_TEXT_BYTES];
    uint32_t usual_ms = kind_flag(probe->kind) & PROGRAM ? EXEC_TIMEOUT_MS : PROBE_TIMEOUT_MS;

    if (probe->timeout_ms == APP_DURATION_OPEN)
        probe->timeout_ms = MIN(probe->interval_ms, usual_ms);
    if (probe->timeout_ms <= probe->interval_ms)
        return;
    snprintf(text, sizeof text,
             "%s is longer than %sinterval, %s; a probe must end before the next",
             duration_format(probe->timeout_ms, timeout), place->prefix,
             duration_format(probe->interval_ms, interval));
    tell(reader, place, "timeout", text);
}

static void
check_window(struct reader *reader, const struct place *place, struct app_probe *probe)
{
    if (probe->window == 0) {
        probe->threshold = 0;
        return;
    }
    if (probe->threshold == 0)
        probe->threshold = (probe->window + 1) / 2;
    if (probe->threshold > probe->window)
        tell(reader, place, "threshold",
             "more results must pass than the window has; make it at most `window`");
}

/* What a listening queue alone does not answer. */
static bool
says_something(const struct app_probe *probe)
{
    unsigned flag = kind_flag(probe->kind);

    return (flag & (HTTP | HTTPS | TLS | GRPC)) || probe->steps.count > 0 ||
           app_probe_more(probe)->close == PROBE_CLOSE_BANNER;
}

/* As DNS is asked for it: labels of 1 to 63 bytes, 253 in all; a dot at the end is fine. */
static bool
is_dns_name(const char *name)
{
    size_t all = strlen(name), label;

    if (strcmp(name, ".") == 0)
        return true;
    if (all > 254 || (all == 254 && name[253] != '.'))
        return false;
    for (; *name != '\0'; name += label + (name[label] == '.')) {
        label = strcspn(name, ".");
        if (label == 0 || label > 63)
            return false;
    }
    return true;
}

static void
check_needs(struct reader *reader, const struct place *place, const struct app_probe *probe)
{
    unsigned flag = kind_flag(probe->kind);
    bool told = place->group != NULL && steps_are_told(place->group);

    if (flag == EXCHANGE && probe->steps.count == 0 && !told)
        tell(reader, place, "kind",
             "\"exchange\" needs to know what is said: send and expect, steps, or preset");
    if ((flag & PROGRAM) && app_probe_more(probe)->lists[PROBE_COMMAND].count == 0)
        tell(reader, place, "kind",
             "needs a program to run: command = ( \"/usr/bin/check\", ... )");
    if (probe->role == PROBE_LIVENESS && !says_something(probe))
        tell(reader, place, "role",
             "a liveness probe has to say something, or to hear: for our port accepts whatever "
             "becomes of the connection; give it send and expect, or the kind http");
    if (flag == DNS && app_probe_text(probe, PROBE_HOST) == NULL)
        tell(reader, place, "kind", "\"dns\" needs a name to ask for: host = \"www.example\"");
    else if (flag == DNS && !is_dns_name(app_probe_text(probe, PROBE_HOST)))
        tell(reader, place, "host", "is no name that DNS can be asked for; a label has 1 to 63 "
                                    "characters, a name 253");
}

static void
finish_one(struct reader *reader, const struct place *place, struct app_probe *probe)
{
    check_durations(reader, place, probe);
    check_window(reader, place, probe);
    check_keys(reader, place, probe);
    drop_foreign(probe);
    check_needs(reader, place, probe);
}

static void
check_name(struct reader *reader, const struct place *place, struct app_probes *probes, uint32_t at)
{
    struct app_probe *probe = &probes->list[at];

    if (probe->name[0] == '\0')
        snprintf(probe->name, sizeof probe->name, "%s", probe->kind);
    for (uint32_t i = 0; i < at; i++) {
        if (strcmp(probes->list[i].name, probe->name) != 0)
            continue;
        tell(reader, place, "name", "two probes of an app need different names");
        return;
    }
}

static void
check_required(struct reader *reader, const struct config_setting_t *app,
               const struct app_probes *probes)
{
    uint32_t readiness = 0;

    for (uint32_t i = 0; i < probes->count; i++)
        readiness += probes->list[i].role == PROBE_READINESS;
    if (probes->required_of != 0 && probes->required_of != readiness)
        key_problem(reader, member_or(app, "probes_require"), "probes_require",
                    "says \"%u of %u\", but %u probes have the role readiness", probes->required,
                    probes->required_of, readiness);
}

void
probes_finish(struct reader *reader, const struct config_setting_t *app, struct app_probe *probe,
              struct app_probes *probes)
{
    const config_setting_t *list = config_setting_get_member(app, "probes");
    struct place place = { app, config_setting_get_member(app, "probe"), "probe." };

    if (place.group != NULL && place.group->type != CONFIG_TYPE_GROUP)
        place.group = NULL;
    /* Who says of which kind its probe is wants no list that the defaults have. */
    if (list == NULL && place.group != NULL &&
        config_setting_get_member(place.group, "kind") != NULL) {
        forget_list(probes);
        if (config_setting_get_member(app, "probes_require") == NULL)
            probes->required = probes->required_of = 0;
    }
    if (probe->role != PROBE_READINESS)
        tell(reader, &place, "role",
             "is a key of one of several: probes = ( { role = ...; }, ... )");
    finish_one(reader, &place, probe);
    place.prefix = "probes.";
    for (uint32_t i = 0; i < probes->count; i++) {
        place.group = list != NULL && list->type == CONFIG_TYPE_LIST
                          ? config_setting_get_elem(list, i) : NULL;
        if (place.group != NULL && place.group->type != CONFIG_TYPE_GROUP)
            continue;
        fill_in(&probes->list[i], probe);
        finish_one(reader, &place, &probes->list[i]);
        check_name(reader, &place, probes, i);
    }
    check_required(reader, app, probes);
}
