#include "proxy/supervisor/generation.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/shared_file.h"
#include "base/shared_text.h"
#include "base/util.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/worker_link.h"
#include "proxy/supervisor/workers.h"
#include "store/store.h"

enum {
    SLOTS_PER_NAME = 4,
    SLOTS_SPARE = 4,
    SLOTS_MAX = 65535,              /* of a board */
};

uint32_t
generation_slots(const struct app_config *config)
{
    uint64_t slots = SLOTS_SPARE;

    for (uint32_t i = 0; i < config->target_count; i++)
        slots += config->targets[i].address.family == 0 ? SLOTS_PER_NAME : 1;
    /* Addresses alone never become more. */
    if (slots == (uint64_t)config->target_count + SLOTS_SPARE)
        slots = config->target_count;
    /* A target without an address is shown in a slot too: so many are always needed. */
    slots = MIN(slots, MAX(config->endpoints_max, config->target_count));
    return (uint32_t)MAX(MIN(slots, SLOTS_MAX), 1);
}

uint32_t
generation_slots_grown(const struct app_config *config, uint32_t slots, uint32_t needed)
{
    uint32_t most = MIN(MAX(config->endpoints_max, config->target_count), SLOTS_MAX);
    uint32_t wanted = MAX(needed, slots + slots / 2);   /* not for every single address */

    wanted = MIN(wanted, most);
    return wanted > slots ? wanted : 0;
}

int
generation_create(struct app *app, uint32_t number, struct shared_text *text, char *source,
                  struct app_generation **out, char *why)
{
    struct app_generation *generation = calloc(1, sizeof *generation);
    int rc;

    snprintf(why, DETAIL_BYTES, "no memory");
    if (generation == NULL)
        return -ENOMEM;
    rc = app_config_parse(text->bytes, &generation->config, why);
    if (rc < 0) {
        free(generation);
        return rc;
    }
    generation->slots = generation_slots(&generation->config);
    generation->takes_reports = app_config_find_probe(&generation->config, "push") != NULL;
    app_config_forget_targets(&generation->config);     /* the prober's and the worker's */
    app_config_forget_probes(&generation->config);      /* the prober's */
    generation->text_fd = -1;
    generation->app = app;
    generation->number = number;
    generation->text = shared_text_ref(text);
    generation->source = source;
    store_hash(text->bytes, generation->hash);
    *out = generation;
    return 0;
}

struct app_generation *
generation_create_unread(struct app *app, uint32_t number, uint32_t drain_ms)
{
    struct app_generation *generation = calloc(1, sizeof *generation);
    struct shared_text *text = shared_text_create("");
    char *source = strdup("");

    if (generation == NULL || text == NULL || source == NULL) {
        free(generation);
        shared_text_unref(text);
        free(source);
        return NULL;
    }
    *generation = (struct app_generation){ .app = app, .number = number, .text = text,
                                           .source = source, .text_fd = -1 };
    generation->config.drain_timeout_ms = drain_ms;
    return generation;
}

struct app_generation *
generation_clone(const struct app_generation *generation)
{
    struct app_generation *clone = NULL;
    char *source = strdup(generation->source);
    char why[DETAIL_BYTES];

    if (source == NULL || generation_create(generation->app, generation->number,
                                            generation->text, source, &clone, why) < 0) {
        free(source);
        return NULL;
    }
    clone->to_record = generation->to_record;
    clone->recorded = !clone->to_record;
    return clone;
}

void
generation_release(struct app_generation *generation)
{
    struct supervisor *supervisor = generation->app->supervisor;
    int runtime_fd = supervisor->runtime_fd;

    for (uint32_t i = 0; generation->ports != NULL && i < generation->config.port_count; i++) {
        if (generation->ports[i] != NULL)
            listeners_unref(&supervisor->listeners, generation->ports[i]);
    }
    free(generation->ports);
    generation->ports = NULL;
    pages_destroy(runtime_fd, generation->pages);
    pages_destroy(runtime_fd, generation->pages_next);
    pages_destroy(runtime_fd, generation->pages_old);
    generation->pages = generation->pages_next = generation->pages_old = NULL;
}

void
generation_destroy(struct app_generation *generation)
{
    generation_assign(generation, NULL);
    prober_link_forget(generation);
    generation_release(generation);
    if (generation->text_fd >= 0)
        close(generation->text_fd);
    app_config_fini(&generation->config);
    shared_text_unref(generation->text);
    free(generation->source);
    free(generation);
}

void
generation_assign(struct app_generation *generation, struct worker *worker)
{
    worker_link_forget(generation);
    if (generation->worker != NULL)
        LIST_REMOVE(generation, of_worker);
    generation->worker = worker;
    generation->load = LOAD_NONE;
    if (worker != NULL)
        LIST_INSERT_HEAD(&worker->generations, generation, of_worker);
}

bool
generation_has_port(const struct app_generation *generation, const struct address *address)
{
    for (uint32_t i = 0; i < generation->config.port_count; i++) {
        if (address_equal(&generation->config.ports[i].address, address))
            return true;
    }
    return false;
}

bool
generation_is_load(const struct app_generation *generation, uint32_t traffic_number)
{
    const struct pages *pages[] = { generation->pages, generation->pages_old };

    for (size_t i = 0; traffic_number != 0 && i < ARRAY_SIZE(pages); i++) {
        if (pages[i] != NULL && pages[i]->traffic_number == traffic_number)
            return true;
    }
    return traffic_number == 0;
}

struct pages_owner
generation_pages_owner(const struct app_generation *generation)
{
    return (struct pages_owner){
        .runtime_fd = generation->app->supervisor->runtime_fd,
        .app = generation->app->name,
        .worker = generation->worker->name,
        .last_number = &generation->app->pages_last,
    };
}

int
generation_text_fd(struct app_generation *generation)
{
    int fd = generation->text_fd;

    generation->text_fd = -1;
    return fd >= 0 ? fd : sealed_text_create("app", generation->text->bytes,
                                              strlen(generation->text->bytes));
}

void
generation_leave_text_fd(struct app_generation *generation, int fd, bool other_sends)
{
    if (generation->text_fd >= 0 || !other_sends)
        close(fd);
    else
        generation->text_fd = fd;
}
