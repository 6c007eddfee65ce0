#include "proxy/supervisor/journal.h"

#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "proxy/supervisor/pins.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/text.h"

/* The row as it is now, also for the app. */
static void
write_row(struct app *app, struct store_rollout *row)
{
    text_copy(row->app, sizeof row->app, app->name);
    app_rollout_set(&app->rollout, row);
    store_write_rollout(app->supervisor->store, row);
}

void
journal_open(struct app *app, uint32_t to_generation)
{
    uint64_t since_ms = clock_monotonic_ms() - app->begun_at_ms;
    struct store_rollout row = {
        .from_generation = app->good_generation,
        .to_generation = to_generation,
        .started_at_ms = clock_wall_ms() - (int64_t)since_ms,
    };

    write_row(app, &row);
}

void
journal_close(struct app *app, const char *outcome, const char *reason)
{
    bool open = app_rollout_is_open(&app->rollout);
    struct store_rollout row = { 0 };

    if (!open && app->config_error != NULL)
        return;                     /* the failure that holds it back stays the last word */
    if (!open && strcmp(app->rollout.outcome, outcome) == 0)
        return;
    if (!open)
        journal_open(app, app->current != NULL ? app->current->number : 0);
    row.from_generation = app->rollout.from_generation;
    row.to_generation = app->rollout.to_generation;
    row.started_at_ms = app->rollout.started_at_ms;
    row.finished_at_ms = clock_wall_ms();
    text_copy(row.outcome, sizeof row.outcome, outcome);
    utf8_copy(row.reason, sizeof row.reason, reason);
    write_row(app, &row);
}

void
journal_held_back(struct app *app, const char *reason)
{
    int64_t now_ms = clock_wall_ms();
    struct store_rollout row = {
        .from_generation = app->good_generation,
        .to_generation = app->current != NULL ? app->current->number : app->good_generation,
        .outcome = "failed",
        .started_at_ms = now_ms,
        .finished_at_ms = now_ms,
    };

    utf8_copy(row.reason, sizeof row.reason, reason);
    write_row(app, &row);
}

/* What an operator may have gone back from: the database knows, whenever it can be written. It may
 * be before anybody here does: at a stop. */
static void
write_unpinned(struct app *app)
{
    const struct app_generation *generation = app->current;

    store_write_config_unpinned(app->supervisor->store, app->name, generation->number,
                                generation->source, generation->text->bytes, generation->hash,
                                clock_wall_ms());
}

void
journal_good(struct app *app)
{
    struct app_generation *generation = app->current;

    app->good_generation = generation->number;
    if (generation->recorded)
        return;
    generation->to_record = pins_unknown(app->supervisor) || app->pin != NULL;
    if (generation->to_record) {
        write_unpinned(app);
        return;
    }
    generation->recorded =
        store_write_config(app->supervisor->store, app->name, generation->number, "good",
                           generation->source, generation->text->bytes, generation->hash, "",
                           clock_wall_ms()) == 0;
}

void
journal_settle(struct app *app)
{
    if (app->current != NULL && app->current->to_record)
        journal_good(app);
}

void
journal_failed(struct app *app, uint32_t number, const char *text, const char *source,
               const char *reason)
{
    char hash[65];

    store_hash(text, hash);
    store_write_config(app->supervisor->store, app->name, number, "failed", source, text, hash,
                       reason, clock_wall_ms());
}
