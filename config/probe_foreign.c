/*
 * Keys that a kind of probe does not have: told where they are written, forgotten where they are
 * inherited.
 */
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "config/probe_read_priv.h"
#include "config/probe_words.h"

const struct config_setting_t *
member_or(const struct config_setting_t *group, const char *name)
{
    const config_setting_t *member = config_setting_get_member(group, name);

    return member != NULL ? member : group;
}

void
tell(struct reader *reader, const struct place *place, const char *key, const char *text)
{
    const struct config_setting_t *at =
        place->group != NULL ? member_or(place->group, key) : place->app;
    char name[PROBLEM_KEY_BYTES];

    snprintf(name, sizeof name, "%s%s", place->prefix, key);
    key_problem(reader, at, name, "%s", text);
}

/* What the group says that its kind does not have. */
void
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
void
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
