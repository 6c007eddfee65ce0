#include "proxy/supervisor/pages.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/shared_file.h"
#include "base/util.h"

/* ---- boards ---- */

static int
format_board(int fd, const struct pages_owner *owner, const struct board_file *file,
             uint32_t generation)
{
    int rc = fd < 0 ? fd
                    : board_format(fd, owner->app, file->number, generation, file->slots);

    if (fd >= 0)
        close(fd);
    return rc;
}

static int
create_board(const struct pages_owner *owner, uint32_t generation, uint32_t slots,
             struct board_file **out)
{
    struct board_file *file = calloc(1, sizeof *file);
    int rc;

    if (file == NULL)
        return -ENOMEM;
    file->refs = 1;
    file->slots = slots;
    file->number = ++*owner->last_number;
    board_file_name(owner->app, file->number, file->name);
    rc = format_board(shared_file_create(owner->runtime_fd, file->name, board_bytes(slots)),
                      owner, file, generation);
    if (rc < 0) {
        unlinkat(owner->runtime_fd, file->name, 0);
        free(file);
        return rc;
    }
    *out = file;
    return 0;
}

static void
release_board(int runtime_fd, struct board_file *file)
{
    assert(file->refs > 0);
    if (--file->refs > 0)
        return;
    unlinkat(runtime_fd, file->name, 0);
    free(file);
}

/* ---- traffic pages ---- */

static void
destroy_traffic(int runtime_fd, struct pages *pages)
{
    if (pages->traffic != NULL)
        traffic_close(pages->traffic);
    pages->traffic = NULL;
    if (pages->traffic_name[0] != '\0')
        unlinkat(runtime_fd, pages->traffic_name, 0);
    pages->traffic_name[0] = '\0';
}

static int
create_traffic(const struct pages_owner *owner, uint32_t threads, struct pages *pages)
{
    uint32_t slots = pages->board->slots;
    int fd, rc;

    assert(threads > 0);
    pages->traffic_number = ++*owner->last_number;
    traffic_file_name(owner->worker, owner->app, pages->traffic_number, pages->traffic_name);
    fd = shared_file_create(owner->runtime_fd, pages->traffic_name,
                            traffic_bytes(threads, slots));
    if (fd < 0)
        return fd;
    rc = traffic_format(fd, owner->worker, owner->app, pages->traffic_number, threads, slots);
    if (rc == 0)
        rc = traffic_open(fd, false, &pages->traffic);
    close(fd);
    return rc;
}

/* ---- both ---- */

/* `board` (a reference) is taken over. */
static int
complete(const struct pages_owner *owner, struct board_file *board, uint32_t threads,
         struct pages **out)
{
    struct pages *pages = calloc(1, sizeof *pages);
    int rc = -ENOMEM;

    if (pages == NULL) {
        release_board(owner->runtime_fd, board);
        return rc;
    }
    pages->board = board;
    rc = create_traffic(owner, threads, pages);
    if (rc < 0) {
        pages_destroy(owner->runtime_fd, pages);
        return rc;
    }
    *out = pages;
    return 0;
}

int
pages_create(const struct pages_owner *owner, uint32_t generation, uint32_t slots,
             uint32_t threads, struct pages **pages)
{
    struct board_file *board;
    int rc;

    assert(slots > 0);
    rc = create_board(owner, generation, slots, &board);
    return rc < 0 ? rc : complete(owner, board, threads, pages);
}

int
pages_share(const struct pages_owner *owner, const struct pages *with, uint32_t threads,
            struct pages **pages)
{
    with->board->refs++;
    return complete(owner, with->board, threads, pages);
}

int
pages_renew_traffic(const struct pages_owner *owner, struct pages *pages, uint32_t threads)
{
    destroy_traffic(owner->runtime_fd, pages);
    return create_traffic(owner, threads, pages);
}

static int
open_name(int runtime_fd, const char *name, bool writable)
{
    int fd = openat(runtime_fd, name,
                    (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 ? -errno : fd;
}

/* Reads what the board's head tells. */
static int
adopt_board(const struct pages_owner *owner, uint32_t number, struct board_file **out)
{
    struct board_file *file = calloc(1, sizeof *file);
    struct board *board;
    int fd, rc;

    if (file == NULL)
        return -ENOMEM;
    board_file_name(owner->app, number, file->name);
    fd = open_name(owner->runtime_fd, file->name, false);
    rc = fd < 0 ? fd : board_open(fd, false, &board);
    if (fd >= 0)
        close(fd);
    if (rc < 0) {
        free(file);
        return rc;
    }
    file->number = number;
    file->refs = 1;
    file->slots = board_slots(board);
    board_close(board);
    *out = file;
    return 0;
}

int
pages_adopt(const struct pages_owner *owner, struct board_file *known, uint32_t board_number,
            uint32_t traffic_number, struct pages **out)
{
    struct pages *pages = calloc(1, sizeof *pages);
    int fd, rc;

    if (pages == NULL)
        return -ENOMEM;
    if (known != NULL) {
        known->refs++;
        pages->board = known;
    } else {
        rc = adopt_board(owner, board_number, &pages->board);
        if (rc < 0) {
            free(pages);
            return rc;
        }
    }
    pages->traffic_number = traffic_number;
    traffic_file_name(owner->worker, owner->app, traffic_number, pages->traffic_name);
    fd = open_name(owner->runtime_fd, pages->traffic_name, false);
    rc = fd < 0 ? fd : traffic_open(fd, false, &pages->traffic);
    if (fd >= 0)
        close(fd);
    if (rc < 0) {
        pages_destroy(owner->runtime_fd, pages);
        return rc;
    }
    *owner->last_number = MAX(*owner->last_number, MAX(board_number, traffic_number));
    *out = pages;
    return 0;
}

void
pages_destroy(int runtime_fd, struct pages *pages)
{
    if (pages == NULL)
        return;
    destroy_traffic(runtime_fd, pages);
    release_board(runtime_fd, pages->board);
    free(pages);
}

int
pages_open_board(int runtime_fd, const struct pages *pages, bool writable)
{
    return open_name(runtime_fd, pages->board->name, writable);
}

int
pages_open_traffic(int runtime_fd, const struct pages *pages, bool writable)
{
    return open_name(runtime_fd, pages->traffic_name, writable);
}

uint64_t
pages_connections(const struct pages *pages)
{
    struct traffic_totals totals;

    if (pages == NULL || pages->traffic == NULL)
        return 0;
    traffic_sum(pages->traffic, &totals);
    return totals.active;
}
