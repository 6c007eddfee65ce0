#include "probes/beat.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/prober_priv.h"

enum {
    BEATS_MIN = 16,
    AHEAD = 8,                          /* whose memory is on its way */
};

/* Room for one more. 0 or -ENOMEM. */
static int
grow(struct beats *beats)
{
    uint32_t room = MAX(beats->room * 2, (uint32_t)BEATS_MIN);
    struct beat *list;

    if (beats->count < beats->room)
        return 0;
    list = realloc(beats->list, room * sizeof *list);
    if (list == NULL)
        return -ENOMEM;
    beats->list = list;
    beats->room = room;
    return 0;
}

int
beat_join(struct prober_app *app)
{
    struct beats *beats = &app->prober->beats;
    int rc = grow(beats);

    if (rc < 0)
        return rc;
    app->writer.beat = beats->count++;
    beats->list[app->writer.beat] = (struct beat){ .board = app->writer.board, .app = app };
    return 0;
}

static struct beat *
beat_of(const struct prober_app *app)
{
    const struct beats *beats = &app->prober->beats;

    assert(app->writer.beat < beats->count);
    assert(beats->list[app->writer.beat].app == app);

    return &beats->list[app->writer.beat];
}

void
beat_move(struct prober_app *app)
{
    beat_of(app)->board = app->writer.board;
}

/* The last one takes its place. */
void
beat_leave(struct prober_app *app)
{
    struct beats *beats = &app->prober->beats;
    struct beat *beat = beat_of(app);

    *beat = beats->list[--beats->count];
    beat->app->writer.beat = (uint32_t)(beat - beats->list);
}

void
beat_review(struct prober_app *app, bool wanted)
{
    beat_of(app)->review = wanted;
}

static void
fetch_ahead(const struct beats *beats, uint32_t i)
{
    if (i + 2 * AHEAD < beats->count)
        PREFETCH(beats->list[i + 2 * AHEAD].board);
    if (i + AHEAD < beats->count)
        board_fetch_beat(beats->list[i + AHEAD].board);
}

void
beat_all(struct prober *prober, uint64_t now_ms)
{
    const struct beats *beats = &prober->beats;

    for (uint32_t i = 0; i < beats->count; i++) {
        const struct beat *beat = &beats->list[i];

        fetch_ahead(beats, i);
        board_beat(beat->board, now_ms);
        board_set_lag(beat->board, &prober->lag_shown);
        if (UNLIKELY(beat->review))
            board_writer_changed(beat->app);
    }
}
