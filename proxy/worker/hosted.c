/* hosted - see hosted.h. */
#include "proxy/worker/hosted.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/shared_file.h"
#include "base/util.h"

enum { STATE_ALIGNMENT = 64, SOCKETS_MAX = APP_PORTS_MAX * APP_THREADS_MAX };

static int
read_config(int fd, struct app_config *config, char *why)
{
    char *text;
    size_t bytes;
    int rc = sealed_text_read(fd, APP_TEXT_BYTES_MAX, &text, &bytes);

    if (rc != 0) {
        snprintf(why, DETAIL_BYTES, "the configuration text cannot be read: %s", strerror(-rc));
        return rc;
    }
    rc = app_config_parse(text, config, why);
    free(text);
    return rc;
}

static int
open_shared(const int *fds, struct board **board, struct traffic **traffic)
{
    int rc = board_open(fds[0], false, board);

    if (rc != 0)
        return rc;
    rc = traffic_open(fds[1], true, traffic);
    if (rc == 0 && traffic_slots(*traffic) >= board_slots(*board))
        return 0;
    if (rc == 0)
        traffic_close(*traffic);
    board_close(*board);
    return rc != 0 ? rc : -EPROTO;
}

static int
create_strategy(struct worker_app *app, char *why)
{
    size_t bytes;

    app->strategy = strategy_find(app->config.strategy);
    if (app->strategy == NULL) {
        snprintf(why, DETAIL_BYTES, "strategy '%s' is not known here", app->config.strategy);
        return -EINVAL;
    }
    bytes = (app->strategy->state_bytes + STATE_ALIGNMENT) & ~((size_t)STATE_ALIGNMENT - 1);
    app->strategy_state = aligned_alloc(STATE_ALIGNMENT, bytes);
    if (app->strategy_state == NULL)
        return -ENOMEM;
    memset(app->strategy_state, 0, bytes);
    app->strategy->init(app->strategy_state);
    return 0;
}

int
hosted_create(const char *name, uint32_t generation, const int *fds, struct hosted **hosted,
              char *why)
{
    struct hosted *new = calloc(1, sizeof *new);
    int rc;

    why[0] = '\0';
    if (new == NULL)
        return -ENOMEM;
    snprintf(new->app.name, sizeof new->app.name, "%s", name);
    new->app.generation = generation;
    rc = read_config(fds[0], &new->app.config, why);
    if (rc != 0) {
        free(new);
        return rc;
    }
    rc = open_shared(fds + 1, &new->board, &new->traffic);
    if (rc != 0)
        snprintf(why, DETAIL_BYTES, "the board or traffic page is unusable: %s", strerror(-rc));
    else
        rc = create_strategy(&new->app, why);
    if (rc != 0) {
        hosted_destroy(new);
        return rc;
    }
    *hosted = new;
    return 0;
}

void
hosted_destroy(struct hosted *hosted)
{
    /* Before COMMAND_ADD the sockets are ours; later a thread has taken and closed them. */
    for (uint32_t i = 0; hosted->state == HOSTED_LOADING && i < hosted->app.listen_count; i++)
        close(hosted->app.listen_fds[i]);
    if (hosted->board != NULL)
        board_close(hosted->board);
    if (hosted->traffic != NULL)
        traffic_close(hosted->traffic);
    if (hosted->next_board != NULL)
        board_close(hosted->next_board);
    if (hosted->next_traffic != NULL)
        traffic_close(hosted->next_traffic);
    free(hosted->app.listen_fds);
    free(hosted->app.strategy_state);
    app_config_fini(&hosted->app.config);
    free(hosted);
}

int
hosted_add_sockets(struct hosted *hosted, const struct control_sockets *about,
                   const int *fds, uint32_t count)
{
    struct worker_app *app = &hosted->app;
    uint32_t first = about->first, total = about->total;

    if (hosted->state != HOSTED_LOADING || first != app->listen_count || total > SOCKETS_MAX || count > total - first)
        return -EPROTO;
    if (app->listen_fds == NULL) {
        app->listen_fds = calloc(total, sizeof *app->listen_fds);
        if (app->listen_fds == NULL)
            return -ENOMEM;
        hosted->listen_room = total;
        app->listen_per_port = total / app->config.port_count;
    }
    if (first + count > hosted->listen_room)
        return -EPROTO;
    memcpy(app->listen_fds + first, fds, count * sizeof *fds);
    app->listen_count += count;
    return 0;
}

int
hosted_next_board(struct hosted *hosted, const int *fds)
{
    int rc;

    if (hosted->next_board != NULL)
        return -EBUSY;
    rc = open_shared(fds, &hosted->next_board, &hosted->next_traffic);
    if (rc == 0 && (board_slots(hosted->next_board) < board_slots(hosted->board) ||
                    traffic_threads(hosted->next_traffic) < traffic_threads(hosted->traffic))) {
        board_close(hosted->next_board);
        traffic_close(hosted->next_traffic);
        rc = -EPROTO;
    }
    if (rc != 0) {
        hosted->next_board = NULL;
        hosted->next_traffic = NULL;
    }
    return rc;
}

void
hosted_swap_board(struct hosted *hosted)
{
    board_close(hosted->board);
    traffic_close(hosted->traffic);
    hosted->board = hosted->next_board;
    hosted->traffic = hosted->next_traffic;
    hosted->next_board = NULL;
    hosted->next_traffic = NULL;
}
