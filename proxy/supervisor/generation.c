#include "proxy/supervisor/generation.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/shared_file.h"
#include "base/util.h"
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

struct app_generation *
generation_create(uint32_t number, struct app_config *config, char *text, char *source)
{
    struct app_generation *generation = calloc(1, sizeof *generation);

    if (generation == NULL)
        return NULL;
    generation->number = number;
    generation->config = *config;
    *config = (struct app_config){ 0 };
    generation->text = text;
    generation->source = source;
    generation->text_fd = -1;
    store_hash(text, generation->hash);
    return generation;
}

void
generation_release(struct app_generation *generation, int runtime_fd)
{
    listeners_close(&generation->listeners);
    pages_destroy(runtime_fd, generation->pages);
    pages_destroy(runtime_fd, generation->pages_next);
    pages_destroy(runtime_fd, generation->pages_old);
    generation->pages = generation->pages_next = generation->pages_old = NULL;
}

void
generation_destroy(struct app_generation *generation, int runtime_fd)
{
    generation_release(generation, runtime_fd);
    if (generation->text_fd >= 0)
        close(generation->text_fd);
    app_config_fini(&generation->config);
    free(generation->text);
    free(generation->source);
    free(generation);
}

static int
create_board(int runtime_fd, const struct app_generation *generation, struct pages *pages)
{
    const char *app = generation->config.name;
    int rc;

    board_file_name(app, pages->number, pages->board_name);
    pages->board_fd = shared_file_create(runtime_fd, pages->board_name,
                                         board_bytes(pages->slots));
    if (pages->board_fd < 0)
        return pages->board_fd;
    rc = board_format(pages->board_fd, app, pages->number, generation->number, pages->slots);
    if (rc < 0)
        return rc;
    pages->board_reader_fd = shared_file_reopen_readonly(pages->board_fd);
    return MIN(pages->board_reader_fd, 0);
}

static int
create_traffic(int runtime_fd, const struct app_generation *generation, struct pages *pages)
{
    const char *app = generation->config.name;
    int rc;

    traffic_file_name(app, app, pages->number, pages->traffic_name);
    pages->traffic_fd = shared_file_create(runtime_fd, pages->traffic_name,
                                           traffic_bytes(generation->threads, pages->slots));
    if (pages->traffic_fd < 0)
        return pages->traffic_fd;
    rc = traffic_format(pages->traffic_fd, app, app, pages->number, generation->threads,
                        pages->slots);
    if (rc < 0)
        return rc;
    pages->traffic_reader_fd = shared_file_reopen_readonly(pages->traffic_fd);
    if (pages->traffic_reader_fd < 0)
        return pages->traffic_reader_fd;
    return traffic_open(pages->traffic_fd, false, &pages->traffic);
}

static void
destroy_traffic(int runtime_fd, struct pages *pages)
{
    if (pages->traffic != NULL)
        traffic_close(pages->traffic);
    pages->traffic = NULL;
    if (pages->traffic_reader_fd >= 0)
        close(pages->traffic_reader_fd);
    pages->traffic_reader_fd = -1;
    if (pages->traffic_fd >= 0) {
        close(pages->traffic_fd);
        unlinkat(runtime_fd, pages->traffic_name, 0);
    }
    pages->traffic_fd = -1;
}

int
pages_create(int runtime_fd, const struct app_generation *generation, uint32_t number,
             uint32_t slots, struct pages **out)
{
    struct pages *pages = calloc(1, sizeof *pages);
    int rc;

    assert(slots > 0);
    assert(generation->threads > 0);
    if (pages == NULL)
        return -ENOMEM;
    *pages = (struct pages){ .number = number, .slots = slots, .board_fd = -1,
                             .board_reader_fd = -1, .traffic_fd = -1,
                             .traffic_reader_fd = -1 };
    rc = create_board(runtime_fd, generation, pages);
    if (rc == 0)
        rc = create_traffic(runtime_fd, generation, pages);
    if (rc < 0) {
        pages_destroy(runtime_fd, pages);
        return rc;
    }
    *out = pages;
    return 0;
}

int
pages_renew_traffic(int runtime_fd, const struct app_generation *generation,
                    struct pages *pages)
{
    destroy_traffic(runtime_fd, pages);
    return create_traffic(runtime_fd, generation, pages);
}

void
pages_destroy(int runtime_fd, struct pages *pages)
{
    if (pages == NULL)
        return;
    destroy_traffic(runtime_fd, pages);
    if (pages->board_reader_fd >= 0)
        close(pages->board_reader_fd);
    if (pages->board_fd >= 0) {
        close(pages->board_fd);
        unlinkat(runtime_fd, pages->board_name, 0);
    }
    free(pages);
}

int
generation_text_fd(struct app_generation *generation)
{
    if (generation->text_fd < 0) {
        int fd = sealed_text_create("app", generation->text, strlen(generation->text));

        if (fd < 0)
            return fd;
        generation->text_fd = fd;
    }
    return generation->text_fd;
}

uint64_t
generation_connections(const struct app_generation *generation)
{
    struct traffic_totals totals;

    if (generation->pages == NULL || generation->pages->traffic == NULL)
        return 0;
    traffic_sum(generation->pages->traffic, &totals);
    return totals.active;
}
