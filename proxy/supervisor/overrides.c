#include "proxy/supervisor/overrides.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/control.h"
#include "base/log.h"
#include "base/shared_file.h"
#include "base/utf8.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/overrides_late.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/text.h"

/* ---- the table ---- */

static struct app_overrides *
find(const struct supervisor *supervisor, const char *app)
{
    struct app_overrides *overrides;

    HASH_FIND_STR(supervisor->overrides, app, overrides);
    return overrides;
}

const struct override *
overrides_of(const struct supervisor *supervisor, const char *app, size_t *count)
{
    const struct app_overrides *overrides = find(supervisor, app);

    *count = overrides == NULL ? 0 : overrides->count;
    return overrides == NULL ? NULL : overrides->list;
}

static void
drop(struct supervisor *supervisor, struct app_overrides *overrides)
{
    HASH_DEL(supervisor->overrides, overrides);
    free(overrides->list);
    free(overrides);
}

void
overrides_free(struct supervisor *supervisor)
{
    while (supervisor->overrides != NULL)
        drop(supervisor, supervisor->overrides);
}

/* NULL without memory; without any override in it, overrides_settle() drops it again. */
static struct app_overrides *
make(struct supervisor *supervisor, const char *app)
{
    struct app_overrides *overrides = find(supervisor, app);

    if (overrides != NULL)
        return overrides;
    overrides = calloc(1, sizeof *overrides);
    if (overrides == NULL)
        return NULL;
    text_copy(overrides->app, sizeof overrides->app, app);
    HASH_ADD_STR(supervisor->overrides, app, overrides);
    return overrides;
}

static void
settle(struct supervisor *supervisor, struct app_overrides *overrides)
{
    if (overrides->count == 0)
        drop(supervisor, overrides);
}

/* In the place of the one about the same target. 0, -ENOMEM, -ENOSPC. */
static int
put(struct app_overrides *overrides, const struct override *override)
{
    struct override *grown;

    for (size_t i = 0; i < overrides->count; i++) {
        if (strcmp(overrides->list[i].target, override->target) == 0) {
            overrides->list[i] = *override;
            return 0;
        }
    }
    if (overrides->count >= OVERRIDES_MAX)
        return -ENOSPC;
    grown = reallocarray(overrides->list, overrides->count + 1, sizeof *grown);
    if (grown == NULL)
        return -ENOMEM;
    overrides->list = grown;
    grown[overrides->count++] = *override;
    return 0;
}

static struct override
describe(const char *target, enum override_action action, const char *note, int64_t since_ms)
{
    struct override override = { .action = action, .since_ms = since_ms };

    text_copy(override.target, sizeof override.target, target);
    utf8_copy(override.note, sizeof override.note, note);
    return override;
}

void
overrides_take(struct supervisor *supervisor, const struct store_override *rows, size_t count)
{
    overrides_free(supervisor);
    for (size_t i = 0; i < count; i++) {
        const struct store_override *row = &rows[i];
        struct app_overrides *overrides;
        struct override override;
        enum override_action action;

        if (row->target[0] == '\0' || !override_action_parse(row->action, &action))
            continue;
        overrides = make(supervisor, row->app);
        if (overrides == NULL)
            continue;
        override = describe(row->target, action, row->note, row->since_ms);
        if (put(overrides, &override) < 0)
            log_error(row->app, "%s %s: cannot be kept in mind", row->action, row->target);
        settle(supervisor, overrides);
    }
}

void
overrides_read(struct supervisor *supervisor)
{
    const struct known *known = &supervisor->known;

    overrides_take(supervisor, known->overrides, known->override_count);
    if (known->overrides_unknown)
        overrides_late_begin(supervisor);
}

/* ---- changes ---- */

static void
remove_at(struct supervisor *supervisor, struct app_overrides *overrides, size_t index)
{
    store_forget_override(supervisor->store, overrides->app, overrides->list[index].target);
    overrides->list[index] = overrides->list[--overrides->count];
}

/* Those about `target` (NULL: any) with that action (OVERRIDE_NONE: any). */
static void
remove_some(struct supervisor *supervisor, struct app_overrides *overrides, const char *target,
            enum override_action action)
{
    for (size_t i = overrides->count; i-- > 0;) {
        const struct override *override = &overrides->list[i];

        if ((target == NULL || strcmp(override->target, target) == 0) &&
            (action == OVERRIDE_NONE || override->action == action))
            remove_at(supervisor, overrides, i);
    }
}

static int
add(struct supervisor *supervisor, struct app_overrides *overrides,
    const struct override *override)
{
    int rc = put(overrides, override);

    if (rc == 0)
        store_write_override(supervisor->store, overrides->app, override->target,
                             override_action_name(override->action), override->note,
                             override->since_ms);
    return rc;
}

/* What was said of it goes; what was said of more than it needs an exception. */
static int
make_ready(struct supervisor *supervisor, struct app_overrides *overrides,
           const struct override *ready, const char *broader)
{
    remove_some(supervisor, overrides, ready->target, OVERRIDE_NONE);
    if (override_find(overrides->list, overrides->count,
                      broader != NULL ? broader : ready->target, ready->target) == NULL)
        return 0;
    return add(supervisor, overrides, ready);
}

int
overrides_apply(struct supervisor *supervisor, const char *app, const char *broader,
                const struct override *override)
{
    struct app_overrides *overrides = make(supervisor, app);
    bool all = strcmp(override->target, OVERRIDE_ALL) == 0;
    int rc = 0;

    if (overrides == NULL)
        return -ENOMEM;
    if (all && override->action == OVERRIDE_READY)
        remove_some(supervisor, overrides, NULL, OVERRIDE_NONE);
    else if (override->action == OVERRIDE_READY)
        rc = make_ready(supervisor, overrides, override, broader);
    else
        rc = add(supervisor, overrides, override);
    if (rc == 0 && all)
        remove_some(supervisor, overrides, NULL, OVERRIDE_READY);
    settle(supervisor, overrides);
    return rc;
}

int
overrides_change(struct supervisor *supervisor, const char *app, const char *target,
                 const char *broader, enum override_action action, const char *note)
{
    struct override override = describe(target, action, note, clock_wall_ms());
    int rc = overrides_late_make_room(supervisor);

    if (rc == 0)
        rc = overrides_apply(supervisor, app, broader, &override);
    if (rc == 0)
        overrides_late_note(supervisor, app, broader, &override);
    return rc;
}

/* ---- the prober ---- */

static int
send_list(const struct supervisor *supervisor, enum control_type type, const char *app,
          uint32_t serial, const struct override *list, size_t count)
{
    struct control_message message;
    int fd = -1, rc;

    control_app_message(&message, type, app, 0);
    message.body.app.count = serial;
    if (count > 0)
        fd = sealed_text_create("overrides", list, count * sizeof *list);
    if (count > 0 && fd < 0) {
        log_error(app, "what operators said of its targets cannot be given to the prober: %s",
                  strerror(-fd));
        return fd;
    }
    rc = child_send(supervisor->prober, &message, &fd, fd >= 0 ? 1 : 0);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* Does it know what we cannot read? */
static bool
prober_knows_more(const struct supervisor *supervisor)
{
    return supervisor->overrides_late != NULL && supervisor->prober_adopted &&
           supervisor->prober->protocol == CONTROL_PROTOCOL;
}

static int
send_more(const struct supervisor *supervisor, const char *app, uint32_t serial)
{
    struct override *said;
    size_t count;
    int rc = -ENOMEM;

    if (overrides_late_said(supervisor, app, &said, &count))
        rc = count == 0 && serial == 0 ? 0
                                       : send_list(supervisor, CONTROL_APP_OVERRIDES_MORE, app,
                                                   serial, said, count);
    free(said);
    return rc;
}

int
overrides_send(struct supervisor *supervisor, const char *app, uint32_t serial)
{
    size_t count;
    const struct override *list = overrides_of(supervisor, app, &count);

    if (supervisor->prober == NULL || !supervisor->prober_there)
        return -ENOTCONN;
    if (prober_knows_more(supervisor))
        return send_more(supervisor, app, serial);
    if (count == 0 && serial == 0 && supervisor->overrides_unknown)
        return 0;                   /* what could not be read is not over */
    return send_list(supervisor, CONTROL_APP_OVERRIDES, app, serial, list, count);
}

/* ---- what it is about ---- */

struct board *
overrides_board(const struct supervisor *supervisor, const char *name)
{
    const struct app *app = app_find((struct supervisor *)supervisor, name);
    const struct app_generation *generation = app == NULL ? NULL : app->current;
    struct board *board = NULL;
    int fd;

    if (generation == NULL || generation->pages == NULL)
        return NULL;
    fd = pages_open_board(supervisor->runtime_fd, generation->pages, false);
    if (fd < 0)
        return NULL;
    if (board_open(fd, false, &board) < 0)
        board = NULL;
    close(fd);
    return board;
}

bool
overrides_means(const char *target, const struct board_detail *detail)
{
    char address[ADDRESS_TEXT_BYTES];

    return strcmp(target, OVERRIDE_ALL) == 0 || strcmp(target, detail->target) == 0 ||
           strcmp(target, address_format(&detail->address, address)) == 0;
}

static bool
exists(const struct board *board, const char *target)
{
    struct board_detail detail;

    for (uint32_t slot = 0; board != NULL && slot < board_slots(board); slot++) {
        if (board_detail(board, slot, &detail) && overrides_means(target, &detail))
            return true;
    }
    return strcmp(target, OVERRIDE_ALL) == 0;
}

json_t *
overrides_json(const struct supervisor *supervisor, const char *app)
{
    size_t count;
    const struct override *list = overrides_of(supervisor, app, &count);
    struct board *board = count == 0 ? NULL : overrides_board(supervisor, app);
    json_t *array = count == 0 ? NULL : json_array();

    for (size_t i = 0; array != NULL && i < count; i++) {
        char since[TIME_TEXT_BYTES];

        json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s, s:b}", "target",
                                               list[i].target, "action",
                                               override_action_name(list[i].action), "since",
                                               clock_format_utc(list[i].since_ms, since),
                                               "note", list[i].note, "exists",
                                               exists(board, list[i].target)));
    }
    board_close(board);
    return array;
}
