#include "config/app_probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/app_read.h"
#include "config/print.h"
#include "config/probe_words.h"

const struct app_probe_more app_probe_more_defaults = {
    .verify = 1,
    .certificate_warn_ms = 14 * 24 * 3600 * 1000u,
};

const struct app_probe_more *
app_probe_more(const struct app_probe *probe)
{
    return probe->more != NULL ? probe->more : &app_probe_more_defaults;
}

const char *
app_probe_text(const struct app_probe *probe, enum app_probe_text which)
{
    return app_probe_more(probe)->texts[which];
}

struct app_probe_more *
app_probe_make_more(struct app_probe *probe)
{
    if (probe->more == NULL) {
        probe->more = malloc(sizeof *probe->more);
        if (probe->more != NULL)
            *probe->more = app_probe_more_defaults;
    }
    return probe->more;
}

struct address
app_probe_where(const struct app_probe *probe, const struct address *address)
{
    struct address where = probe->address.family != 0 ? probe->address : *address;

    where.port = probe->port != 0 ? (uint16_t)probe->port : address->port;
    return where;
}

const char *
app_probe_title(const struct app_probe *probe)
{
    return probe->name[0] != '\0' ? probe->name : probe->kind;
}

/* ---- ownership ---- */

static void
list_fini(struct app_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct app_list){ 0 };
}

static void
more_free(struct app_probe_more *more)
{
    if (more == NULL)
        return;
    for (int i = 0; i < PROBE_TEXTS; i++)
        free(more->texts[i]);
    for (int i = 0; i < PROBE_LISTS; i++)
        list_fini(&more->lists[i]);
    free(more);
}

void
app_probe_fini(struct app_probe *probe)
{
    steps_fini(&probe->steps);
    more_free(probe->more);
    probe->more = NULL;
}

static bool
list_copy(const struct app_list *from, struct app_list *to)
{
    *to = (struct app_list){ 0 };
    if (from->count == 0)
        return true;
    to->items = calloc(from->count, sizeof *to->items);
    for (; to->items != NULL && to->count < from->count; to->count++) {
        to->items[to->count] = strdup(from->items[to->count]);
        if (to->items[to->count] == NULL)
            break;
    }
    return to->count == from->count;
}

static struct app_probe_more *
more_copy(const struct app_probe_more *from)
{
    struct app_probe_more *to = malloc(sizeof *to);
    bool whole = to != NULL;

    if (to == NULL)
        return NULL;
    *to = *from;
    memset(to->texts, 0, sizeof to->texts);
    memset(to->lists, 0, sizeof to->lists);
    for (int i = 0; i < PROBE_TEXTS; i++) {
        to->texts[i] = from->texts[i] == NULL ? NULL : strdup(from->texts[i]);
        whole = whole && (to->texts[i] != NULL || from->texts[i] == NULL);
    }
    for (int i = 0; i < PROBE_LISTS; i++)
        whole = list_copy(&from->lists[i], &to->lists[i]) && whole;
    if (whole)
        return to;
    more_free(to);
    return NULL;
}

int
app_probe_copy(const struct app_probe *from, struct app_probe *to)
{
    struct app_probe copy = *from;

    if (steps_copy(&from->steps, &copy.steps) < 0)
        return -ENOMEM;
    if (from->more != NULL) {
        copy.more = more_copy(from->more);
        if (copy.more == NULL) {
            steps_fini(&copy.steps);
            return -ENOMEM;
        }
    }
    *to = copy;
    return 0;
}

/* ---- comparing ---- */

static bool
text_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
list_equal(const struct app_list *a, const struct app_list *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return true;
}

static bool
more_equal(const struct app_probe_more *a, const struct app_probe_more *b)
{
    for (int i = 0; i < PROBE_TEXTS; i++) {
        if (!text_equal(a->texts[i], b->texts[i]))
            return false;
    }
    for (int i = 0; i < PROBE_LISTS; i++) {
        if (!list_equal(&a->lists[i], &b->lists[i]))
            return false;
    }
    return a->close == b->close && a->proxy_protocol == b->proxy_protocol &&
           a->verify == b->verify && a->tls == b->tls &&
           a->certificate_warn_ms == b->certificate_warn_ms && a->ttl_ms == b->ttl_ms &&
           a->cpu_ms == b->cpu_ms;
}

bool
app_probe_same_check(const struct app_probe *a, const struct app_probe *b)
{
    return strcmp(a->kind, b->kind) == 0 && a->role == b->role && a->port == b->port &&
           address_equal(&a->address, &b->address) && steps_equal(&a->steps, &b->steps) &&
           more_equal(app_probe_more(a), app_probe_more(b));
}

/* ---- canonical text ---- */

static void
print_list(struct print *print, int indent, const char *key, const struct app_list *list)
{
    print_begin_value(print, indent, key);
    fputs("( ", print->stream);
    for (uint32_t i = 0; i < list->count; i++) {
        fputs(i > 0 ? ", " : "", print->stream);
        print_quoted(print, list->items[i]);
    }
    fputs(" )", print->stream);
    print_end_value(print);
}

static void
print_flag(struct print *print, int indent, const char *key, uint32_t flag, uint32_t usual)
{
    if (flag == usual)
        return;
    print_begin_value(print, indent, key);
    fputs(flag ? "true" : "false", print->stream);
    print_end_value(print);
}

static void
print_more(struct print *print, int indent, const struct app_probe_more *more)
{
    const struct app_probe_more *usual = &app_probe_more_defaults;

    for (int i = 0; i < PROBE_TEXTS; i++) {
        if (more->texts[i] != NULL)
            print_text(print, indent, probe_text_keys[i], more->texts[i]);
    }
    for (int i = 0; i < PROBE_LISTS; i++) {
        if (more->lists[i].count > 0)
            print_list(print, indent, probe_list_keys[i], &more->lists[i]);
    }
    if (more->close != usual->close)
        print_text(print, indent, "close", probe_close_words[more->close]);
    if (more->proxy_protocol != usual->proxy_protocol)
        print_text(print, indent, "proxy_protocol", probe_proxy_words[more->proxy_protocol]);
    print_flag(print, indent, "verify", more->verify, usual->verify);
    print_flag(print, indent, "tls", more->tls, usual->tls);
    if (more->certificate_warn_ms != usual->certificate_warn_ms)
        print_duration(print, indent, "certificate_warn", more->certificate_warn_ms);
    if (more->ttl_ms != usual->ttl_ms)
        print_duration(print, indent, "ttl", more->ttl_ms);
    if (more->cpu_ms != usual->cpu_ms)
        print_duration(print, indent, "cpu_time", more->cpu_ms);
}

/* Only where it is not the target's: most texts are shorter for it. */
static void
print_where(struct print *print, int indent, const struct app_probe *probe)
{
    char ip[ADDRESS_TEXT_BYTES];

    if (probe->port != 0)
        print_number(print, indent, "port", probe->port);
    if (probe->address.family != 0)
        print_text(print, indent, "address", address_format_ip(&probe->address, ip));
}

/* What follows another value where nobody gave it is left out. */
static void
print_policy(struct print *print, int indent, const struct app_probe *probe)
{
    if (probe->interval_ms != APP_DURATION_OPEN)
        print_duration(print, indent, "interval", probe->interval_ms);
    if (probe->timeout_ms != APP_DURATION_OPEN)
        print_duration(print, indent, "timeout", probe->timeout_ms);
    if (probe->rise != APP_DURATION_OPEN)
        print_number(print, indent, "rise", probe->rise);
    if (probe->fall != APP_DURATION_OPEN)
        print_number(print, indent, "fall", probe->fall);
    if (probe->window != 0 && probe->window != APP_DURATION_OPEN)
        print_number(print, indent, "window", probe->window);
    if (probe->threshold != 0 && probe->threshold != APP_DURATION_OPEN)
        print_number(print, indent, "threshold", probe->threshold);
    if (probe->jitter_percent != APP_DURATION_OPEN)
        print_number(print, indent, "jitter", probe->jitter_percent);
}

void
app_probe_print(struct print *print, int indent, const struct app_probe *probe)
{
    if (probe->name[0] != '\0')
        print_text(print, indent, "name", probe->name);
    print_text(print, indent, "kind", probe->kind);
    if (probe->role != PROBE_READINESS)
        print_text(print, indent, "role", probe_role_words[probe->role]);
    print_policy(print, indent, probe);
    print_where(print, indent, probe);
    steps_print(print, indent, &probe->steps);
    if (probe->more != NULL)
        print_more(print, indent, probe->more);
}

/* ---- several ---- */

void
app_probes_fini(struct app_probes *probes)
{
    for (uint32_t i = 0; i < probes->count; i++)
        app_probe_fini(&probes->list[i]);
    free(probes->list);
    *probes = (struct app_probes){ 0 };
}

int
app_probes_copy(const struct app_probes *from, struct app_probes *to)
{
    *to = (struct app_probes){ .required = from->required, .required_of = from->required_of };
    if (from->count == 0)
        return 0;
    to->list = calloc(from->count, sizeof *to->list);
    for (; to->list != NULL && to->count < from->count; to->count++) {
        if (app_probe_copy(&from->list[to->count], &to->list[to->count]) < 0)
            break;
    }
    if (to->count == from->count)
        return 0;
    app_probes_fini(to);
    return -ENOMEM;
}

static void
print_required(struct print *print, const struct app_probes *probes)
{
    char text[32];

    if (probes->required == 0)
        snprintf(text, sizeof text, "all");
    else if (probes->required_of == 0)
        snprintf(text, sizeof text, "any");
    else
        snprintf(text, sizeof text, "%u of %u", probes->required, probes->required_of);
    print_text(print, 0, "probes_require", text);
}

void
app_probes_print(struct print *print, const struct app_probes *probes)
{
    if (probes->required != 0)
        print_required(print, probes);
    if (probes->count == 0)
        return;
    fputs("probes = (", print->stream);
    print->in_line = true;
    for (uint32_t i = 0; i < probes->count; i++) {
        fputs(i > 0 ? ", { " : " { ", print->stream);
        app_probe_print(print, 0, &probes->list[i]);
        fputs("}", print->stream);
    }
    print->in_line = false;
    fputs(" );\n", print->stream);
}
