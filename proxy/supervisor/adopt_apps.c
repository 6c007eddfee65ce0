#include "proxy/supervisor/adopt_apps.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shared_text.h"
#include "proxy/supervisor/acquire.h"
#include "proxy/supervisor/adopt_unread.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/follow.h"
#include "proxy/supervisor/journal.h"
#include "proxy/supervisor/known.h"
#include "proxy/supervisor/leaving.h"
#include "proxy/supervisor/leftovers.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/spare_ports.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/worker_link.h"

/* ---- one generation ---- */

static struct app *
find_or_add(struct supervisor *supervisor, const char *name)
{
    const struct store_rollout *rollout = known_rollout(&supervisor->known, name);
    const struct store_config *good = known_good(&supervisor->known, name);
    struct app *app = app_find(supervisor, name);

    if (app != NULL)
        return app;
    app = app_add(supervisor, name);
    if (app == NULL)
        return NULL;
    if (rollout != NULL)
        app_rollout_set(&app->rollout, rollout);
    app->good_generation = good != NULL ? good->generation : 0;
    app->generation_last = known_highest(&supervisor->known, name);
    app_set_pin(app, known_rolled_back(&supervisor->known, name));
    return app;
}

/* Its sockets: those that are known already are only counted. 0 or -errno. */
static int
take_ports(struct app_generation *generation, struct reported *reported)
{
    struct listeners *listeners = &generation->app->supervisor->listeners;
    int rc = 0;

    generation->ports = calloc(MAX(generation->config.port_count, 1),
                               sizeof(struct listen_port *));
    if (generation->ports == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < generation->config.port_count; i++) {
        const struct address *address = &generation->config.ports[i].address;
        struct listen_port *port = listeners_find(listeners, address);

        if (port != NULL)
            port->refs++;
        else
            port = listeners_adopt(listeners, address);
        generation->ports[i] = port;
        if (port == NULL)
            return -ENOMEM;
        port->user_timeout_ms = generation->config.user_timeout_ms;
    }
    for (uint32_t i = 0; i < reported->socket_count; i++) {
        if (reported->ports[i] >= generation->config.port_count)
            close(reported->fds[i]);
        else if (listen_port_add(generation->ports[reported->ports[i]], reported->fds[i]) < 0)
            rc = -ENOMEM;
    }
    reported->socket_count = 0;
    for (uint32_t i = 0; rc == 0 && i < generation->config.port_count; i++)
        rc = generation->ports[i]->count > 0 ? 0 : -EPROTO;
    return rc;
}

static const char *
source_of(const struct supervisor *supervisor, const struct reported *reported)
{
    const struct store_config *good = known_good(&supervisor->known, reported->app);

    return good != NULL && good->source != NULL ? good->source : "";
}

static struct board_file *
board_in(const struct app_generation *generation, uint32_t number)
{
    return generation != NULL && generation->pages != NULL &&
                   generation->pages->board->number == number
               ? generation->pages->board
               : NULL;
}

/* Of what was adopted before: after a hand-over two have one board. NULL: none has this one. */
static struct board_file *
find_board(const struct app *app, uint32_t number)
{
    struct board_file *found = board_in(app->current, number);
    const struct app_generation *leaving;

    LIST_FOREACH(leaving, &app->leaving, of_app)
        found = found != NULL ? found : board_in(leaving, number);
    return found;
}

/* NULL, which is told: it cannot be used. */
static struct app_generation *
make(struct app *app, struct reported *reported, struct worker *worker)
{
    struct app_generation *generation = NULL;
    struct shared_text *text = shared_text_create(reported->text);
    char *source = strdup(source_of(app->supervisor, reported));
    char why[DETAIL_BYTES] = "its text is missing";
    struct pages_owner owner;
    int rc = text == NULL || source == NULL
                 ? -ENOMEM
                 : generation_create(app, reported->number, text, source, &generation, why);

    shared_text_unref(text);
    if (rc < 0) {
        free(source);
        log_error(app->name, "generation %u, which runs, cannot be read: %s", reported->number,
                  why);
        return NULL;
    }
    generation_assign(generation, worker);
    generation->load = LOAD_ACCEPTING;
    generation->loaded_before = true;
    owner = generation_pages_owner(generation);
    rc = pages_adopt(&owner, find_board(app, reported->board_number), reported->board_number,
                     reported->traffic_number, &generation->pages);
    if (rc == 0)
        return generation;
    log_error(app->name, "the board or traffic page of generation %u cannot be used (%s): it "
              "begins anew with the same sockets", reported->number, strerror(-rc));
    return generation;
}

static void
leave(struct app_generation *generation)
{
    leaving_begin(generation);
    leaving_ports_closed(generation->app, generation->worker);
}

/* Without its pages it is of no use, but its clients may wait in its sockets' queues. */
static void
take_sockets_only(struct app_generation *generation, struct reported *reported)
{
    bool taken = take_ports(generation, reported) == 0;

    for (uint32_t i = 0; taken && i < generation->config.port_count; i++)
        spare_ports_keep(generation->app->supervisor, generation->ports[i]);
    if (!taken)
        generation_release(generation);
    worker_link_retire(generation, generation->config.drain_timeout_ms);
    leave(generation);              /* its connections have that time */
}

static void
note_numbers(struct app *app, const struct reported *reported)
{
    app->generation_last = MAX(app->generation_last, reported->number);
    app->pages_last = MAX(app->pages_last, MAX(reported->board_number,
                                               reported->traffic_number));
}

/* Of two that accept, the older one did not hear that the other one has taken over. */
static bool
is_older(const struct app *app, const struct app_generation *generation)
{
    return app->current != NULL &&
           app->current->pages->traffic_number > generation->pages->traffic_number;
}

static void
serve(struct app *app, struct app_generation *generation)
{
    struct app_generation *older = generation;

    if (!is_older(app, generation)) {
        older = app->current;
        app->current = generation;
    }
    if (older != NULL) {
        worker_link_retire(older, 0);
        leave(older);
        older->stays = true;
    }
    app->served = true;
    if (app->state == APP_NEW)
        app_enter(app, APP_LOADING);
    if (app->state == APP_LOADING)
        app_enter(app, APP_WAITING);
    if (app->state == APP_WAITING)
        app_enter(app, APP_SERVING);
    app_settle(app);
    acquire_hold_ports(app);
}

static void
adopt_generation(struct supervisor *supervisor, struct worker *worker,
                 struct reported *reported)
{
    struct app *app = find_or_add(supervisor, reported->app);
    struct app_generation *generation;

    if (app == NULL)
        return;
    note_numbers(app, reported);
    generation = make(app, reported, worker);
    if (generation == NULL) {
        adopt_unread(app, worker, reported);
        return;
    }
    if (generation->pages == NULL) {
        take_sockets_only(generation, reported);
        return;
    }
    if (reported->how == CONTROL_IS_DRAINING) {
        leaving_begin(generation);
        generation->stays = true;       /* or it drains: then its worker has nothing to follow */
        return;
    }
    if (reported->how == CONTROL_IS_LOADED) {       /* of a rollout that nobody remembers */
        worker_link_drain(generation, 0);
        generation_destroy(generation);
        return;
    }
    if (take_ports(generation, reported) < 0) {
        log_error(app->name, "its sockets did not arrive: it is given anew");
        generation_release(generation);
        worker_link_drain(generation, generation->config.drain_timeout_ms);
        leave(generation);
        return;
    }
    serve(app, generation);
}

/* ---- one child ---- */

static bool
is_same_binary(const struct child *child)
{
    char exe[64], path[PATH_BYTES];
    struct stat running, installed;

    snprintf(exe, sizeof exe, "/proc/%d/exe", (int)child->pid);
    return child_find_program(child->role, path) == 0 && stat(exe, &running) == 0 &&
           stat(path, &installed) == 0 && running.st_dev == installed.st_dev &&
           running.st_ino == installed.st_ino;
}

static bool
is_outdated(const struct child *child)
{
    return child->protocol != CONTROL_PROTOCOL ||
           strcmp(child->version, FPROXY_VERSION) != 0 || !is_same_binary(child);
}

static bool
adopt_prober(struct supervisor *supervisor, struct report *report, bool replace)
{
    if (supervisor->prober != NULL) {       /* two of them: one too many */
        child_signal(report->child, SIGKILL);
        return false;
    }
    supervisor->prober_outdated = replace || is_outdated(report->child);
    prober_link_adopt(supervisor, report->child);
    if (!child_speaks(report->child)) {     /* its successor reads the boards */
        supervisor->prober_outdated = false;
        prober_link_succeed(supervisor);
        return true;
    }
    for (size_t i = 0; i < report->count; i++) {
        const struct reported *reported = &report->generations[i];
        const struct app *app = app_find(supervisor, reported->app);

        if (app != NULL)
            note_numbers((struct app *)app, reported);
    }
    supervisor->prober_report = report->generations;    /* looked at when all are there */
    supervisor->prober_report_count = report->count;
    report->generations = NULL;
    report->count = 0;
    for (size_t i = 0; i < report->later_count; i++)
        prober_link_message(supervisor, &report->later[i]);
    return true;
}

bool
adopt_child(struct supervisor *supervisor, struct report *report, bool replace)
{
    struct child *child = report->child;
    bool retired = true;
    struct worker *worker;

    if (child->role == CONTROL_PROBER)
        return adopt_prober(supervisor, report, replace);
    for (size_t i = 0; i < report->count; i++)
        retired = retired && report->generations[i].how == CONTROL_IS_DRAINING;
    worker = workers_adopt(supervisor, child, retired);
    if (worker == NULL)
        return false;
    worker->outdated = replace || is_outdated(child);
    for (size_t i = 0; i < report->count; i++)
        adopt_generation(supervisor, worker, &report->generations[i]);
    for (size_t i = 0; i < report->later_count; i++)
        worker_link_message(worker, &report->later[i]);
    worker_link_settings(worker);
    if (LIST_EMPTY(&worker->generations)) {
        worker_release(worker);
        return false;
    }
    return true;
}

/* ---- what belongs to nobody ---- */

struct name {
    char *text;                 /* owned */
    UT_hash_handle hh;
};

static void
keep_name(struct name **kept, const char *text)
{
    struct name *name = calloc(1, sizeof *name);

    if (name == NULL || text[0] == '\0') {
        free(name);
        return;
    }
    name->text = strdup(text);
    if (name->text == NULL)
        free(name);
    else
        HASH_ADD_KEYPTR(hh, *kept, name->text, strlen(name->text), name);
}

static void
keep_pages(struct name **kept, const struct app_generation *generation)
{
    if (generation == NULL || generation->pages == NULL)
        return;
    keep_name(kept, generation->pages->board->name);
    keep_name(kept, generation->pages->traffic_name);
}

static void
keep_child(struct name **kept, const struct child *child)
{
    struct child_place place = { .role = child->role, .instance = child->instance };
    char file[CHILD_FILE_BYTES];

    memcpy(place.name, child->name, sizeof place.name);
    child_file_name(&place, "sock", file);
    keep_name(kept, file);
    child_file_name(&place, "pid", file);
    keep_name(kept, file);
}

static void
keep_worker(struct worker *worker, void *context)
{
    keep_child(context, worker->child);
}

static bool
is_kept(void *context, const char *file)
{
    struct name *kept = context, *found;

    HASH_FIND_STR(kept, file, found);
    return found != NULL;
}

void
adopt_unlink_others(struct supervisor *supervisor)
{
    struct name *kept = NULL, *name, *next;

    for (const struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        const struct app_generation *leaving;

        keep_pages(&kept, app->current);
        LIST_FOREACH(leaving, &app->leaving, of_app)
            keep_pages(&kept, leaving);
    }
    workers_each(supervisor, keep_worker, &kept);
    if (supervisor->prober != NULL)
        keep_child(&kept, supervisor->prober);
    leftovers_unlink(supervisor->runtime_fd, is_kept, kept);
    HASH_ITER(hh, kept, name, next) {
        HASH_DEL(kept, name);
        free(name->text);
        free(name);
    }
}

/* ---- what the prober lacks ---- */

static int
by_app(const void *a, const void *b)
{
    const struct reported *x = a, *y = b;
    int order = strcmp(x->app, y->app);

    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

static bool
prober_has(const struct supervisor *supervisor, const struct app *app)
{
    struct reported key = { .number = app->current->number };
    const struct reported *found;

    memcpy(key.app, app->name, sizeof key.app);
    found = supervisor->prober_report_count == 0
                ? NULL
                : bsearch(&key, supervisor->prober_report, supervisor->prober_report_count,
                          sizeof key, by_app);
    return found != NULL && found->board_number == app->current->pages->board->number;
}

static bool
is_wanted(const struct supervisor *supervisor, const struct reported *reported)
{
    const struct app *app = app_find((struct supervisor *)supervisor, reported->app);

    return app != NULL && app->current != NULL && app->current->number == reported->number &&
           app->current->pages->board->number == reported->board_number;
}

/* The last supervisor ended before it could say how they ended, or the database has forgotten
 * them: what runs tells. */
static void
close_rollout(struct app *app)
{
    uint32_t running = app->current != NULL ? app->current->number : 0;

    if (app->rollout.started_at_ms == 0 && running != 0) {
        app->begun_at_ms = clock_monotonic_ms();
        journal_open(app, running);
    }
    if (!app_rollout_is_open(&app->rollout))
        return;
    if (app->rollout.to_generation == running)
        journal_close(app, "done", "");
    else
        journal_close(app, "failed", "interrupted: the supervisor ended");
}

void
adopt_settle(struct supervisor *supervisor)
{
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        close_rollout(app);
        follow_current(app);            /* the last supervisor may not have come to it */
    }
    follow_send(supervisor);
    if (supervisor->prober == NULL || !supervisor->prober_there)
        return;
    if (supervisor->prober_report_count > 0)
        qsort(supervisor->prober_report, supervisor->prober_report_count,
              sizeof *supervisor->prober_report, by_app);
    prober_link_settings(supervisor);
    for (size_t i = 0; i < supervisor->prober_report_count; i++) {
        const struct reported *reported = &supervisor->prober_report[i];

        if (!is_wanted(supervisor, reported))
            prober_link_unload_number(supervisor, reported->app, reported->number);
    }
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        if (app->current != NULL && !prober_has(supervisor, app))
            prober_link_load(app->current);
    }
    for (size_t i = 0; i < supervisor->prober_report_count; i++)
        free(supervisor->prober_report[i].text);
    free(supervisor->prober_report);
    supervisor->prober_report = NULL;
    supervisor->prober_report_count = 0;
}
