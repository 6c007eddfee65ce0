/* Every board says it, for one prober writes them all: the first that can be read will do. */
#include "proxy/supervisor/probe_lag.h"

#include <stdbool.h>
#include <unistd.h>

#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/pages.h"
#include "proxy/supervisor/supervisor.h"
#include "strategy/board.h"

static bool
read_board(int runtime_fd, const struct pages *pages, struct board_lag *lag)
{
    struct board *board = NULL;
    int fd = pages_open_board(runtime_fd, pages, false);
    int rc;

    if (fd < 0)
        return false;
    rc = board_open(fd, false, &board);
    close(fd);
    if (rc < 0)
        return false;
    board_lag(board, lag);
    board_close(board);
    return true;
}

json_t *
probe_lag_json(const struct supervisor *supervisor)
{
    struct board_lag lag = { 0 };
    bool found = supervisor->prober == NULL;

    for (const struct app *app = supervisor->apps; app != NULL && !found; app = app->hh.next) {
        if (app->current != NULL && app->current->pages != NULL)
            found = read_board(supervisor->runtime_fd, app->current->pages, &lag);
    }
    if (lag.probes == 0)
        return json_null();
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "probes", (json_int_t)lag.probes,
                     "p50_ms", (json_int_t)lag.p50_ms, "p99_ms", (json_int_t)lag.p99_ms,
                     "max_ms", (json_int_t)lag.max_ms,
                     "overruns_lately", (json_int_t)lag.overruns_lately,
                     "overruns", (json_int_t)lag.overruns);
}
