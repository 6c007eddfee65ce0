/*
 * The boards are looked at four times a second: nobody is told of changes, and nobody is asked.
 * What came and went between two looks is in the database (fproxy-probe history).
 */
#include "probes/inspect_watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "probes/inspect_changes.h"
#include "probes/inspect_print.h"

/* Another screen, no cursor, and long lines are cut. */
#define ENTER_SCREEN "\033[?1049h\033[?25l\033[?7l"
#define LEAVE_SCREEN "\033[?7h\033[?25h\033[?1049l"

enum {
    LOOK_MS = 250,
    LOOK_SLOW_MS = 1000,
    MANY_ENDPOINTS = 2000,
};

struct watch {
    const char *command;
    struct inspect_places *places;
    const char *app, *target;   /* NULL: all */
    bool json, screen, colours;
    struct inspect_view view;   /* what was seen last */
    bool running;
    char note[INSPECT_NOTE_BYTES];
    char *drawn;                /* owned; what is on the screen */
};

static size_t
count_endpoints(const struct inspect_view *view)
{
    size_t count = 0;

    for (size_t i = 0; i < view->count; i++)
        count += view->apps[i].count;
    return count;
}

/* ---- a line a change ---- */

static json_t *
change_json(const struct inspect_change *change, int64_t now_wall_ms)
{
    const struct inspect_app *app = change->app_after ? change->app_after : change->app_before;
    const struct inspect_endpoint *endpoint = change->after ? change->after : change->before;

    if (endpoint == NULL)
        return json_pack("{s:o, s:o, s:s, s:b, s:b, s:I}", "at", inspect_time_json(now_wall_ms),
                         "app", inspect_text_json(app->name), "change",
                         change->app_before == NULL  ? "new"
                         : change->app_after == NULL ? "gone"
                                                     : "app",
                         "ready", (int)app->ready, "panic", (int)app->panic, "generation",
                         (json_int_t)app->generation);
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "at", inspect_time_json(now_wall_ms), "app", inspect_text_json(app->name),
                     "change", change->before == NULL  ? "new"
                               : change->after == NULL ? "gone"
                                                       : "state",
                     "target", inspect_text_json(endpoint->target),
                     "address", inspect_text_json(endpoint->address),
                     "from", change->before ? inspect_text_json(change->before->state)
                                            : json_null(),
                     "to", change->after ? inspect_text_json(change->after->state) : json_null(),
                     "reason", inspect_text_json(endpoint->reason),
                     "detail", inspect_text_json(endpoint->probe.detail));
}

static void
print_line(json_t *json)
{
    if (json != NULL)
        json_dumpf(json, stdout, JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(json);
}

static void
print_app_change(const struct inspect_change *change)
{
    const struct inspect_app *before = change->app_before, *after = change->app_after;

    if (after == NULL) {
        printf("%s: gone\n", before->name);
        return;
    }
    printf("%s:%s %s%s, generation %u\n", after->name, before == NULL ? " new," : "",
           after->ready ? "ready" : "not ready", after->panic ? ", PANIC" : "",
           after->generation);
}

static void
print_endpoint_change(const struct inspect_change *change)
{
    const struct inspect_endpoint *endpoint = change->after ? change->after : change->before;
    const struct inspect_app *app = change->app_after ? change->app_after : change->app_before;
    const char *detail = endpoint->probe.detail;

    printf("%s: %s", app->name, endpoint->target);
    if (endpoint->address[0] != '\0' && strcmp(endpoint->address, endpoint->target) != 0)
        printf(" at %s", endpoint->address);
    if (change->after == NULL) {
        printf(": gone, was %s\n", endpoint->state);
        return;
    }
    printf(": %s -> %s", change->before ? change->before->state : "new", endpoint->state);
    if (strcmp(endpoint->reason, "ok") != 0 && endpoint->reason[0] != '\0')
        printf(" (%s%s%s)", endpoint->reason, detail[0] != '\0' ? ": " : "", detail);
    putchar('\n');
}

static void
tell_change(const struct inspect_change *change, void *context)
{
    const struct watch *watch = context;
    int64_t now_ms = clock_wall_ms();
    char text[TIME_TEXT_BYTES];

    if (watch->screen)
        return;
    if (watch->json) {
        print_line(change_json(change, now_ms));
        return;
    }
    printf("%s ", clock_format_utc(now_ms, text));
    if (change->before == NULL && change->after == NULL)
        print_app_change(change);
    else
        print_endpoint_change(change);
}

static void
tell_running(const struct watch *watch)
{
    int64_t now_ms = clock_wall_ms();
    char text[TIME_TEXT_BYTES];

    if (watch->screen)
        return;
    if (watch->json)
        print_line(json_pack("{s:o, s:s, s:b}", "at", inspect_time_json(now_ms), "change",
                             "running", "running", (int)watch->running));
    else
        printf("%s %s in %s\n", clock_format_utc(now_ms, text),
               watch->running ? "fproxy runs" : "nothing runs", watch->places->runtime_dir);
}

/* ---- the screen ---- */

static void
print_summary(FILE *out, const struct watch *watch)
{
    const struct inspect_view *view = &watch->view;
    size_t endpoints = count_endpoints(view), down = 0;
    const char *end = strchr(watch->note, '\n');

    for (size_t i = 0; i < view->count; i++) {
        for (size_t j = 0; j < view->apps[i].count; j++)
            down += view->apps[i].endpoints[j].handed != INSPECT_HANDED_OUT;
    }
    fprintf(out, "%zu app%s, %zu endpoint%s, %zu of them get%s no connections. Ctrl-C ends.\n",
            view->count, view->count == 1 ? "" : "s", endpoints, endpoints == 1 ? "" : "s", down,
            down == 1 ? "s" : "");
    if (end != NULL)
        fprintf(out, "%.*s\n", (int)(end - watch->note), watch->note);
    fputc('\n', out);
}

/* All of what is to be seen, on the heap; NULL without memory. */
static char *
render(const struct watch *watch, unsigned width)
{
    enum inspect_apps apps = watch->running ? INSPECT_APPS_IN_TROUBLE : INSPECT_APPS_NONE;
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    if (out == NULL)
        return NULL;
    print_summary(out, watch);
    if (watch->view.count > 0)
        inspect_draw_table(out, &watch->view, clock_wall_ms(), watch->colours, apps, width);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* Line by line, so that nothing flickers; what does not fit is counted. */
static void
put_on_screen(const char *text, unsigned height)
{
    unsigned line = 0, left_out = 0;

    fputs("\033[H", stdout);
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
        if (++line + 1 < height)
            printf("%.*s\033[K\n", (int)(end - text), text);
        else
            left_out++;
    }
    if (left_out > 0)
        printf("... and %u lines more: make the window higher, or name an APP\033[K", left_out);
    fputs("\033[J", stdout);
}

static void
draw(struct watch *watch)
{
    struct winsize size = { .ws_row = 24, .ws_col = 80 };
    char *text;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
        size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
    text = render(watch, size.ws_col);
    if (text == NULL || (watch->drawn != NULL && strcmp(text, watch->drawn) == 0)) {
        free(text);
        return;
    }
    put_on_screen(text, size.ws_row);
    free(watch->drawn);
    watch->drawn = text;
}

/* ---- looking ---- */

/* 0; -ENOENT with the nearest name when what was asked for is not there. */
static int
keep_asked(const struct watch *watch, struct inspect_view *view, const char **what,
           const char **nearest)
{
    int rc = 0;

    *what = "app";
    if (watch->app != NULL)
        rc = inspect_keep_app(view, watch->app, nearest);
    if (rc < 0 || watch->target == NULL)
        return rc;
    *what = "target";
    return inspect_keep_target(&view->apps[0], watch->target, nearest);
}

/* The first look: what is asked for must be there. */
static int
begin(struct watch *watch)
{
    const char *what, *nearest = NULL;
    int rc = inspect_places_read(watch->command, watch->places, &watch->view, watch->note);

    if (rc < 0 || !watch->screen)
        fputs(watch->note, stderr);
    if (rc < 0)
        return rc;
    watch->running = watch->places->running;
    rc = keep_asked(watch, &watch->view, &what, &nearest);
    if (rc < 0)
        inspect_unknown(watch->command, what, watch->target && *what == 't' ? watch->target
                                                                           : watch->app,
                        nearest);
    else if (!watch->screen)
        fprintf(stderr, "%s: %zu endpoints; each change will be a line\n", watch->command,
                count_endpoints(&watch->view));
    return rc;
}

/* What has vanished is gone, and may come back. */
static void
look(struct watch *watch)
{
    struct inspect_view now = { 0 };
    const char *what, *nearest;
    int rc = inspect_places_read(watch->command, watch->places, &now, watch->note);

    if (rc < 0 || keep_asked(watch, &now, &what, &nearest) < 0)
        inspect_view_free(&now);
    if (watch->places->running != watch->running) {
        watch->running = watch->places->running;
        tell_running(watch);
    }
    inspect_changes(&watch->view, &now, clock_wall_ms(), tell_change, watch);
    inspect_view_free(&watch->view);
    watch->view = now;
}

/* A descriptor that can be read when SIGINT or SIGTERM came; or -errno. */
static int
catch_end(void)
{
    sigset_t signals;
    int fd;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return -errno;
    fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* The database, where nothing runs, is no board: it takes longer to read, and hardly changes. */
static int
pause_ms(const struct watch *watch)
{
    bool slow = !watch->running || count_endpoints(&watch->view) > MANY_ENDPOINTS;

    return slow ? LOOK_SLOW_MS : LOOK_MS;
}

/* Until a signal: 0; -EIO: nobody reads. */
static int
go_on(struct watch *watch, int signal_fd)
{
    struct pollfd ended = { .fd = signal_fd, .events = POLLIN };

    while (poll(&ended, 1, pause_ms(watch)) <= 0) {
        look(watch);
        if (watch->screen)
            draw(watch);
        if (fflush(stdout) != 0)
            return -EIO;
    }
    return 0;
}

int
inspect_watch(const char *command, struct inspect_places *places, const char *app,
              const char *target, bool json)
{
    struct watch watch = {
        .command = command, .places = places, .app = app, .target = target, .json = json,
        .screen = !json && isatty(STDOUT_FILENO) && getenv("TERM") != NULL,
    };
    int status = CLI_USAGE, signal_fd = catch_end();

    watch.colours = watch.screen && getenv("NO_COLOR") == NULL;
    if (signal_fd < 0 || begin(&watch) < 0)
        goto out;
    if (watch.screen) {
        fputs(ENTER_SCREEN, stdout);
        draw(&watch);
    }
    status = fflush(stdout) == 0 && go_on(&watch, signal_fd) == 0 ? CLI_YES : CLI_USAGE;
    if (watch.screen)
        fputs(LEAVE_SCREEN, stdout);
    fflush(stdout);
out:
    if (signal_fd >= 0)
        close(signal_fd);
    inspect_view_free(&watch.view);
    free(watch.drawn);
    return status;
}
