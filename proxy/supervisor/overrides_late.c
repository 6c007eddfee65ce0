#include "proxy/supervisor/overrides_late.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/overrides.h"
#include "proxy/supervisor/pins.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/text.h"

enum {
    LOOK_S = 1,                 /* is the store well again? */
    AGAIN_S = 30,               /* it is, but there was no answer, or none that helps */
};

/* A word of an operator. */
struct said {
    char app[APP_NAME_BYTES];
    char broader[TARGET_NAME_BYTES];    /* "": none */
    struct override override;
};

/* Of all apps together, in the time that a database is in trouble. */
enum { SAID_MAX = 4 * OVERRIDES_MAX };

struct overrides_late {
    struct supervisor *supervisor;
    struct event *timer;        /* owned */
    struct said *said;          /* owned; in their order, the last about each target */
    size_t count;
};

/* ---- what is said meanwhile ---- */

int
overrides_late_make_room(struct supervisor *supervisor)
{
    struct overrides_late *late = supervisor->overrides_late;
    struct said *grown;

    if (late == NULL)
        return 0;
    if (late->count >= SAID_MAX)
        return -ENOSPC;
    grown = reallocarray(late->said, late->count + 1, sizeof *grown);
    if (grown == NULL)
        return -ENOMEM;
    late->said = grown;
    return 0;
}

static void
forget(struct overrides_late *late, const char *app, const char *target)
{
    size_t kept = 0;

    for (size_t i = 0; i < late->count; i++) {
        const struct said *said = &late->said[i];

        if (strcmp(said->app, app) != 0 || strcmp(said->override.target, target) != 0)
            late->said[kept++] = *said;
    }
    late->count = kept;
}

void
overrides_late_note(struct supervisor *supervisor, const char *app, const char *broader,
                    const struct override *override)
{
    struct overrides_late *late = supervisor->overrides_late;
    struct said *said;

    if (late == NULL)
        return;
    forget(late, app, override->target);
    said = &late->said[late->count++];
    *said = (struct said){ .override = *override };
    text_copy(said->app, sizeof said->app, app);
    text_copy(said->broader, sizeof said->broader, broader != NULL ? broader : "");
}

bool
overrides_late_said(const struct supervisor *supervisor, const char *app, struct override **list,
                    size_t *count)
{
    const struct overrides_late *late = supervisor->overrides_late;

    *list = NULL;
    *count = 0;
    if (late == NULL)
        return false;
    for (size_t i = 0; i < late->count; i++)
        *count += strcmp(late->said[i].app, app) == 0;
    if (*count == 0)
        return true;
    *list = calloc(*count, sizeof **list);
    if (*list == NULL)
        return false;
    for (size_t i = 0, at = 0; i < late->count; i++) {
        if (strcmp(late->said[i].app, app) == 0)
            (*list)[at++] = late->said[i].override;
    }
    return true;
}

/* ---- reading it ---- */

static void
look_in(struct overrides_late *late, int seconds)
{
    const struct timeval wait = { .tv_sec = seconds };

    evtimer_add(late->timer, &wait);
}

/* What the prober was told before it was known; one that an earlier supervisor told may have some
 * that are over. What does not reach it is told when it comes. */
static void
tell_prober(struct supervisor *supervisor)
{
    for (const struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        size_t count;

        overrides_of(supervisor, app->name, &count);
        if (count > 0 || supervisor->prober_adopted)
            overrides_send(supervisor, app->name, 0);
    }
}

static void
on_told(void *context, int rc, const struct store_override *rows, size_t count)
{
    struct overrides_late *late = context;
    struct supervisor *supervisor = late->supervisor;

    if (rc < 0)
        return;                     /* the store has told why; it is asked again */
    overrides_take(supervisor, rows, count);
    supervisor->overrides_late = NULL;
    supervisor->overrides_unknown = false;
    for (size_t i = 0; i < late->count; i++) {
        const struct said *said = &late->said[i];

        overrides_apply(supervisor, said->app, said->broader[0] != '\0' ? said->broader : NULL,
                        &said->override);
    }
    supervisor->overrides_late = late;
    overrides_late_free(supervisor);
    tell_prober(supervisor);
    pins_take(supervisor, rows, count);
    event_write(supervisor, LOG_INFO, NULL, "overrides_read",
                "the database can be read: what operators said of targets before the start holds "
                "again, and what they have said since");
}

/* The store's own next try may be half a minute away. */
static void
on_written(void *context, int rc)
{
    struct overrides_late *late = context;

    if (rc == 0)
        look_in(late, 0);
}

static void
on_timer(evutil_socket_t fd, short what, void *context)
{
    struct overrides_late *late = context;
    struct store *store = late->supervisor->store;
    char why[256];

    store_cancel(store, late);      /* what was never answered */
    if (!late->supervisor->first_change_applied || !store_state(store, why, sizeof why)) {
        look_in(late, LOOK_S);
        store_when_written(store, on_written, late);
        return;
    }
    store_find_overrides(store, on_told, late);
    look_in(late, AGAIN_S);
}

void
overrides_late_begin(struct supervisor *supervisor)
{
    struct overrides_late *late = calloc(1, sizeof *late);

    supervisor->overrides_unknown = true;
    event_write(supervisor, LOG_WARN, NULL, "overrides_unknown",
                "what operators said of targets (drain, maintain) cannot be read from the "
                "database: until it can, those targets may get clients");
    if (late != NULL)
        late->timer = evtimer_new(supervisor->base, on_timer, late);
    if (late == NULL || late->timer == NULL) {
        free(late);
        return;
    }
    late->supervisor = supervisor;
    supervisor->overrides_late = late;
    pins_begin(supervisor);
    look_in(late, LOOK_S);
}

void
overrides_late_free(struct supervisor *supervisor)
{
    struct overrides_late *late = supervisor->overrides_late;

    if (late == NULL)
        return;
    supervisor->overrides_late = NULL;
    store_cancel(supervisor->store, late);
    event_free(late->timer);
    free(late->said);
    free(late);
}
