#include "config/file_uses.h"

#include <errno.h>
#include <libconfig.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config/app.h"

/* A probe, and where it is written. */
struct written {
    const struct app_probe *probe;
    const struct config_setting_t *app, *group;     /* the latter NULL: it is inherited */
    const char *ca_key, *command_key;
};

static unsigned
line_of_key(const struct written *written, const char *key)
{
    const config_setting_t *member =
        written->group == NULL ? NULL : config_setting_get_member(written->group, key);

    if (member != NULL)
        return member->line;
    return written->group != NULL ? written->group->line : written->app->line;
}

static int
add(struct file_uses *uses, enum file_use_kind kind, unsigned line, const char *key,
    const char *text)
{
    struct file_use *list = reallocarray(uses->list, uses->count + 1, sizeof *list);
    char *copy = strdup(text);

    if (list != NULL)
        uses->list = list;
    if (list == NULL || copy == NULL) {
        free(copy);
        return -ENOMEM;
    }
    list[uses->count++] = (struct file_use){ kind, line, key, copy };
    return 0;
}

/* Are certificates looked at, by what `ca` says? As probes/curl_probe.c has it. */
static bool
trusts_file(const struct app_probe *probe)
{
    bool tls = strcmp(probe->kind, "https") == 0 || strcmp(probe->kind, "tls") == 0 ||
               (strcmp(probe->kind, "grpc") == 0 && app_probe_more(probe)->tls);

    return tls && app_probe_more(probe)->verify && app_probe_text(probe, PROBE_CA) != NULL;
}

static int
add_command(struct file_uses *uses, const struct written *written)
{
    const struct app_list *command = &app_probe_more(written->probe)->lists[PROBE_COMMAND];
    unsigned line = line_of_key(written, "command");
    bool shell;

    if (command->count == 0)
        return 0;
    /* What the reader makes of a single text; who writes it out means the same. */
    shell = command->count == 3 && strcmp(command->items[0], "/bin/sh") == 0 &&
            strcmp(command->items[1], "-c") == 0;
    return add(uses, shell ? FILE_USE_SHELL : FILE_USE_PROGRAM, line, written->command_key,
               command->items[shell ? 2 : 0]);
}

static int
add_probe(struct file_uses *uses, const struct written *written)
{
    int rc = 0;

    if (trusts_file(written->probe))
        rc = add(uses, FILE_USE_CA, line_of_key(written, "ca"), written->ca_key,
                 app_probe_text(written->probe, PROBE_CA));
    return rc == 0 ? add_command(uses, written) : rc;
}

/* The group of the element `at` of `probes`; NULL: the list is inherited. */
static const struct config_setting_t *
element_of(const struct config_setting_t *app, uint32_t at)
{
    const config_setting_t *list = config_setting_get_member(app, "probes");

    return list == NULL ? NULL : config_setting_get_elem(list, at);
}

int
file_uses_read(const struct config_setting_t *group, const struct app_config *app,
               struct file_uses *uses)
{
    struct written one = { &app->probe, group, config_setting_get_member(group, "probe"),
                           "probe.ca", "probe.command" };
    uint32_t readiness = 0;
    int rc = 0;

    *uses = (struct file_uses){ 0 };
    for (uint32_t i = 0; i < app->probes.count && rc == 0; i++) {
        struct written written = { &app->probes.list[i], group, element_of(group, i), "probes.ca",
                                   "probes.command" };

        readiness += app->probes.list[i].role == PROBE_READINESS;
        rc = add_probe(uses, &written);
    }
    if (rc == 0 && readiness == 0)      /* then there is also the one that `probe` says */
        rc = add_probe(uses, &one);
    if (rc < 0)
        file_uses_fini(uses);
    return rc;
}

int
file_uses_copy(const struct file_uses *from, struct file_uses *to)
{
    int rc = 0;

    *to = (struct file_uses){ 0 };
    for (uint32_t i = 0; i < from->count && rc == 0; i++)
        rc = add(to, from->list[i].kind, from->list[i].line, from->list[i].key,
                 from->list[i].text);
    if (rc < 0)
        file_uses_fini(to);
    return rc;
}

void
file_uses_fini(struct file_uses *uses)
{
    for (uint32_t i = 0; i < uses->count; i++)
        free(uses->list[i].text);
    free(uses->list);
    *uses = (struct file_uses){ 0 };
}
