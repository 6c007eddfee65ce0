/*
 * inspect_boards - the view from the boards alone, whoever lives or does not.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/util.h"
#include "probes/inspect.h"
#include "strategy/board.h"

/* A board file may be damaged: its numbers name states only as far as there are states. */
static const char *
state_word(uint8_t state)
{
    return state < ENDPOINT_STATES ? endpoint_state_name((enum endpoint_state)state) : "?";
}

static const char *
reason_word(uint8_t reason)
{
    return reason < REASONS ? reason_name((enum reason)reason) : "?";
}

/* By the clock that nobody sets, where the prober told it. */
static int64_t
next_wall_ms(const struct board_detail *detail)
{
    if (detail->due_ms == 0)
        return detail->probe_next_ms;
    return clock_wall_ms() + (int64_t)(detail->due_ms - clock_monotonic_ms());
}

static void
describe(const struct board_detail *detail, struct inspect_endpoint *endpoint)
{
    struct inspect_probe *probe = &endpoint->probe;

    snprintf(endpoint->target, sizeof endpoint->target, "%s", detail->target);
    address_format(&detail->address, endpoint->address);
    snprintf(endpoint->state, sizeof endpoint->state, "%s", state_word(detail->state));
    snprintf(endpoint->reason, sizeof endpoint->reason, "%s", reason_word(detail->reason));
    endpoint->since_ms = detail->since_ms;
    endpoint->weight = detail->weight;
    endpoint->successes = detail->successes;
    endpoint->failures = detail->failures;
    endpoint->down_interval_ms = detail->down_interval_ms;
    endpoint->next_ms = next_wall_ms(detail);
    endpoint->lag_ms = detail->probe_lag_ms;
    endpoint->ejections = detail->eject_count;
    endpoint->tier = detail->tier;
    endpoint->percent = detail->percent;
    endpoint->flapping = detail->flags & BOARD_FLAPPING;
    snprintf(endpoint->detail, sizeof endpoint->detail, "%s", detail->state_detail);
    if (detail->probe_outcome == REASON_NONE || detail->probe_at_ms <= 0)
        return;
    probe->at_ms = detail->probe_at_ms;
    probe->duration_ms = detail->probe_duration_us / 1000.0;
    snprintf(probe->kind, sizeof probe->kind, "%s", detail->probe_kind);
    snprintf(probe->outcome, sizeof probe->outcome, "%s", reason_word(detail->probe_outcome));
    snprintf(probe->detail, sizeof probe->detail, "%s", detail->probe_detail);
}

/* The id of the endpoint that connections are given, for each slot, 0: none; on the heap, NULL
 * without memory. */
static uint32_t *
handed_ids(const struct board *board)
{
    uint32_t slots = board_slots(board);
    struct available_snapshot *snapshot = calloc(1, available_snapshot_bytes(slots));
    uint32_t *ids = calloc(slots, sizeof *ids);

    if (snapshot != NULL && ids != NULL) {
        available_set_copy(board_available(board), snapshot);
        for (uint32_t i = 0; i < snapshot->count; i++)
            ids[snapshot->endpoints[i].slot] = snapshot->endpoints[i].id;
    }
    free(snapshot);
    return ids;
}

static int
describe_slots(const struct board *board, struct inspect_app *app)
{
    uint32_t *ids = handed_ids(board);
    struct board_detail detail;
    int rc = ids == NULL ? -ENOMEM : 0;

    for (uint32_t slot = 0; rc == 0 && slot < board_slots(board); slot++) {
        struct inspect_endpoint *endpoint;

        if (!board_detail(board, slot, &detail))
            continue;
        endpoint = inspect_add_endpoint(app);
        if (endpoint == NULL) {
            rc = -ENOMEM;
            continue;
        }
        describe(&detail, endpoint);
        endpoint->handed = ids[slot] == detail.id ? INSPECT_HANDED_OUT : INSPECT_HELD_BACK;
        app->slots_used++;
        app->handed_out += endpoint->handed == INSPECT_HANDED_OUT;
    }
    free(ids);
    return rc;
}

static int
describe_board(const struct board *board, struct inspect_view *view)
{
    struct inspect_app *app = inspect_add_app(view, board_app(board));
    struct board_summary summary;

    if (app == NULL)
        return -ENOMEM;
    app->generation = board_generation(board);
    if (board_summary(board, &summary)) {
        app->ready = summary.ready != 0;
        app->panic = summary.panic != 0;
        app->rung = summary.rung;
        app->panics = summary.panics;
    }
    return describe_slots(board, app);
}

/* A beat from the future is one from before the machine was started anew. */
static bool
is_fresh(const struct board *board, uint64_t now_ms)
{
    uint64_t beat_ms = board_beat_ms(board);

    return beat_ms != 0 && beat_ms <= now_ms + INSPECT_FRESH_MS &&
           now_ms <= beat_ms + INSPECT_FRESH_MS;
}

static struct board *
open_board(int dir_fd, const char *name)
{
    struct board *board = NULL;
    struct stat about;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return NULL;
    if (fstat(fd, &about) < 0 || !S_ISREG(about.st_mode) || board_open(fd, false, &board) < 0)
        board = NULL;
    close(fd);
    return board;
}

/* The boards that count, the newest of each app. */
struct newest {
    struct board **boards;      /* owned */
    size_t count, room;
};

static int
keep_newest(struct newest *newest, struct board *board)
{
    for (size_t i = 0; i < newest->count; i++) {
        struct board *other = newest->boards[i];

        if (strcmp(board_app(other), board_app(board)) != 0)
            continue;
        if (board_number(other) < board_number(board)) {
            newest->boards[i] = board;
            board = other;
        }
        board_close(board);
        return 0;
    }
    if (newest->count == newest->room) {
        size_t room = newest->room == 0 ? 64 : newest->room * 2;
        struct board **grown = reallocarray(newest->boards, room, sizeof *grown);

        if (grown == NULL) {
            board_close(board);
            return -ENOMEM;
        }
        newest->boards = grown;
        newest->room = room;
    }
    newest->boards[newest->count++] = board;
    return 0;
}

static int
read_directory(DIR *dir, bool stale, uint64_t now_ms, struct newest *newest)
{
    const struct dirent *entry;
    int rc = 0;

    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        char app[APP_NAME_BYTES];
        struct board *board;
        uint32_t number;

        if (!board_file_parse(entry->d_name, app, &number))
            continue;
        board = open_board(dirfd(dir), entry->d_name);
        if (board == NULL)
            continue;
        if (stale || is_fresh(board, now_ms))
            rc = keep_newest(newest, board);
        else
            board_close(board);
    }
    return rc;
}

/* One prober writes all boards: the latest word counts. */
static void
read_lag(const struct newest *newest, struct board_lag *lag)
{
    const struct board *latest = NULL;

    for (size_t i = 0; i < newest->count; i++) {
        if (latest == NULL || board_beat_ms(newest->boards[i]) > board_beat_ms(latest))
            latest = newest->boards[i];
    }
    if (latest != NULL)
        board_lag(latest, lag);
}

int
inspect_read_boards(int dir_fd, bool stale, uint64_t now_ms, struct inspect_view *view)
{
    struct newest newest = { 0 };
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    int rc;

    if (dir == NULL) {
        rc = -errno;
        if (fd >= 0)
            close(fd);
        return rc;
    }
    rc = read_directory(dir, stale, now_ms, &newest);
    closedir(dir);
    if (!stale)
        read_lag(&newest, &view->lag);
    for (size_t i = 0; i < newest.count; i++) {
        if (rc == 0)
            rc = describe_board(newest.boards[i], view);
        board_close(newest.boards[i]);
    }
    free(newest.boards);
    inspect_sort(view);
    return rc;
}

/* From /proc/locks: to try the lock, even for a moment, could make a supervisor fail that
 * starts just then. A line: "1: FLOCK  ADVISORY  WRITE 1234 00:1a:5678 0 EOF". */
bool
inspect_is_held(int dir_fd)
{
    struct stat about;
    char line[256];
    bool held = false;
    FILE *locks;

    if (fstat(dir_fd, &about) < 0)
        return false;
    locks = fopen("/proc/locks", "re");
    if (locks == NULL)
        return false;
    while (!held && fgets(line, sizeof line, locks) != NULL) {
        unsigned device_major, device_minor;
        unsigned long inode;

        held = sscanf(line, "%*s FLOCK %*s %*s %*s %x:%x:%lu", &device_major, &device_minor,
                      &inode) == 3 &&
               inode == about.st_ino && device_major == major(about.st_dev) &&
               device_minor == minor(about.st_dev);
    }
    fclose(locks);
    return held;
}
