/* source_file - the directory or file that a configuration lies in, watched.
 *
 *   inotify, sweeps, look() --> [ thread: settle, look, take ] --one change--> [ loop ]
 *
 * The thread owns the set and the watches; disks may hang, the loop may not. One change at a
 * time waits for the loop: while it does, the next ones grow together in the set. */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/condition.h"
#include "base/log.h"
#include "config/set.h"
#include "config/source.h"
#include "config/watch.h"

enum {
    SETTLE_MS = 200,      /* of quiet, before it is looked ... */
    SETTLE_MAX_MS = 1000, /* ... but no longer than this after the first event */
    TICK_MS = 20,         /* while it settles: events are taken together */
    SWEEP_MS = 10000,     /* for what inotify does not tell */
    RETRY_MS = 1000,      /* when there was no memory for a change */
    STOP_GRACE_MS = 2000,
    RELOOKS_MAX = 3, /* when new watches are found again and again */
};

/* What an app has in fact, until the thread hears of it. */
struct holding {
    char app[APP_NAME_BYTES];
    enum config_holds holds;
    struct shared_text *text;   /* a reference, or NULL */
    UT_hash_handle hh;          /* by app */
};

struct config_source {
    config_change_fn *on_change;
    void *context;
    struct event *event; /* owned by the loop's thread */
    pthread_t thread;
    int wake_fd, tell_fd; /* eventfds: to the thread, to the loop */

    pthread_mutex_t lock;
    struct config_change *waiting; /* for the loop; NULL: there is room */
    bool wants_room;               /* the thread has more to tell */
    bool asked, stopping, ended, abandoned;
    uint64_t asked_token;
    struct holding *holdings;      /* owned; what the last one of each app says */
    pthread_cond_t end;            /* `ended`: the thread is about to return */

    /* The thread's own. */
    struct config_set *set;
    struct watch *watch;
    struct watch_seen seen;
    uint64_t first_event_ms, last_event_ms; /* 0: none */
    uint64_t sweep_at_ms, take_at_ms;       /* the latter 0: nothing to take */
    uint64_t token;                         /* to be answered; 0: none */
    uint64_t watched_revision;              /* of the set, at the last refresh of the watches */
    uint64_t sequence;                      /* of what was told last; 0: nothing */
    size_t file_count, app_count, broken_count; /* as told last */
    int path_error;
};

static void
ring(int fd)
{
    uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof one);

    (void)written; /* full: then it rings already */
}

static void
silence(int fd)
{
    uint64_t count;
    ssize_t got = read(fd, &count, sizeof count);

    (void)got;
}

/* ---- the thread ---- */

static void
look_all(struct config_source *source)
{
    for (int i = 0; i < RELOOKS_MAX; i++) {
        uint64_t before = config_set_revision(source->set);

        /* First the watches, then the look: what happens in between is not missed. */
        if (!watch_refresh(source->watch, source->set) && i > 0)
            break;
        config_set_look(source->set);
        if (config_set_revision(source->set) == before)
            break; /* and so links lead where they led */
    }
    source->watched_revision = config_set_revision(source->set);
    source->sweep_at_ms = clock_monotonic_ms() + SWEEP_MS;
}

/* Only at what events named, where they name everything. */
static void
look_at_seen(struct config_source *source)
{
    const char *names[WATCH_NAMES_MAX];
    struct watch_seen *seen = &source->seen;

    for (size_t i = 0; i < seen->name_count; i++)
        names[i] = seen->names[i];
    if (seen->all || seen->name_count == 0 || !watch_is_complete(source->watch)) {
        look_all(source);
        return;
    }
    config_set_look_at(source->set, names, seen->name_count);
}

/* After any look: what is new may lead elsewhere. */
static void
after_look(struct config_source *source)
{
    if (config_set_revision(source->set) != source->watched_revision) {
        source->watched_revision = config_set_revision(source->set);
        if (watch_refresh(source->watch, source->set))
            look_all(source);
    }
    source->take_at_ms = clock_monotonic_ms();
}

static void
look_now(struct config_source *source)
{
    watch_drain(source->watch, &source->seen); /* so that it is not looked at twice */
    look_at_seen(source);
    source->seen.any = source->seen.all = false;
    source->seen.name_count = 0;
    source->first_event_ms = source->last_event_ms = 0;
    after_look(source);
}

static void
take_events(struct config_source *source, uint64_t now_ms)
{
    source->seen.any = false;
    watch_drain(source->watch, &source->seen);
    if (!source->seen.any)
        return;
    source->last_event_ms = now_ms;
    if (source->first_event_ms == 0)
        source->first_event_ms = now_ms;
}

static bool
has_settled(const struct config_source *source, uint64_t now_ms)
{
    return source->first_event_ms != 0 && (now_ms >= source->last_event_ms + SETTLE_MS ||
                                           now_ms >= source->first_event_ms + SETTLE_MAX_MS);
}

static void
holding_free(struct holding **table, struct holding *holding)
{
    HASH_DEL(*table, holding);
    shared_text_unref(holding->text);
    free(holding);
}

static void
take_holdings(struct config_source *source, struct holding *table)
{
    struct holding *holding, *next;

    HASH_ITER(hh, table, holding, next) {
        config_set_holds(source->set, holding->app, holding->holds,
                         holding->text != NULL ? holding->text->bytes : NULL);
        holding_free(&table, holding);
    }
}

/* False when it shall end. */
static bool
take_orders(struct config_source *source, bool *asked)
{
    struct holding *holdings;
    bool go_on;

    pthread_mutex_lock(&source->lock);
    go_on = !source->stopping;
    *asked = source->asked;
    source->asked = false;
    if (*asked)
        source->token = source->asked_token;
    holdings = source->holdings;
    source->holdings = NULL;
    pthread_mutex_unlock(&source->lock);
    take_holdings(source, holdings);
    return go_on;
}

static void
look_if_due(struct config_source *source, bool asked)
{
    uint64_t now_ms = clock_monotonic_ms(), again_ms = config_set_look_again_ms(source->set);

    take_events(source, now_ms);
    if (asked || has_settled(source, now_ms)) {
        look_now(source);
    } else if (now_ms >= source->sweep_at_ms) {
        look_all(source);
        after_look(source);
    } else if (again_ms != 0 && now_ms >= again_ms && source->first_event_ms == 0) {
        config_set_look_young(source->set, now_ms);
        after_look(source);
    }
}

/* Does it say anything that was not said? */
static bool
is_news(const struct config_source *source, const struct config_change *change)
{
    return source->sequence == 0 || change->token != 0 || change->item_count > 0 ||
           change->error_count > 0 || change->daemon.changed || change->defaults.changed ||
           change->file_count != source->file_count || change->app_count != source->app_count ||
           change->broken_count != source->broken_count ||
           change->path_error != source->path_error;
}

static void
note_told(struct config_source *source, const struct config_change *change)
{
    source->sequence = change->sequence;
    source->token = 0;
    source->file_count = change->file_count;
    source->app_count = change->app_count;
    source->broken_count = change->broken_count;
    source->path_error = change->path_error;
}

/* Is there room for a change? If not, the loop will wake us. */
static bool
has_room(struct config_source *source)
{
    bool room;

    pthread_mutex_lock(&source->lock);
    room = source->waiting == NULL;
    source->wants_room = !room;
    pthread_mutex_unlock(&source->lock);
    return room;
}

static void
tell(struct config_source *source)
{
    struct config_change *change;

    if (source->take_at_ms == 0 || clock_monotonic_ms() < source->take_at_ms ||
        !has_room(source))
        return;
    if (config_set_take(source->set, &change) < 0) {
        log_error(NULL, "configuration: out of memory; a change is late");
        source->take_at_ms = clock_monotonic_ms() + RETRY_MS;
        return;
    }
    source->take_at_ms = 0;
    change->token = source->token;
    change->sequence = source->sequence + 1; /* those that say nothing are not counted */
    if (!is_news(source, change)) {
        config_change_free(change);
        return;
    }
    note_told(source, change);
    pthread_mutex_lock(&source->lock);
    source->waiting = change;
    pthread_mutex_unlock(&source->lock);
    ring(source->tell_fd);
}

static int
sleep_ms(const struct config_source *source)
{
    uint64_t now_ms = clock_monotonic_ms(), until_ms = source->sweep_at_ms;
    uint64_t again_ms = config_set_look_again_ms(source->set);

    if (source->first_event_ms != 0)
        return TICK_MS;
    if (again_ms != 0 && again_ms < until_ms)
        until_ms = again_ms;
    if (source->take_at_ms > now_ms && source->take_at_ms < until_ms)
        until_ms = source->take_at_ms;
    return until_ms > now_ms ? (int)(until_ms - now_ms) : 0;
}

/* While events settle, only orders wake it. */
static void
wait_for_anything(struct config_source *source)
{
    struct pollfd fds[] = { { .fd = source->wake_fd, .events = POLLIN },
                            { .fd = watch_fd(source->watch), .events = POLLIN } };

    if (source->first_event_ms != 0)
        fds[1].fd = -1;
    if (poll(fds, 2, sleep_ms(source)) > 0 && fds[0].revents != 0)
        silence(source->wake_fd);
}

static void
source_free(struct config_source *source)
{
    struct holding *holding, *next;

    HASH_ITER(hh, source->holdings, holding, next)
        holding_free(&source->holdings, holding);
    config_change_free(source->waiting);
    config_set_destroy(source->set);
    watch_destroy(source->watch);
    if (source->wake_fd >= 0)
        close(source->wake_fd);
    if (source->tell_fd >= 0)
        close(source->tell_fd);
    pthread_cond_destroy(&source->end);
    pthread_mutex_destroy(&source->lock);
    free(source);
}

static void *
source_main(void *argument)
{
    struct config_source *source = argument;
    bool asked, abandoned;

    /* Once more: it was not watched when the set was looked at. */
    look_all(source);
    after_look(source);
    while (take_orders(source, &asked)) {
        look_if_due(source, asked);
        tell(source);
        wait_for_anything(source);
    }
    pthread_mutex_lock(&source->lock);
    source->ended = true;
    pthread_cond_signal(&source->end);
    abandoned = source->abandoned;
    pthread_mutex_unlock(&source->lock);
    if (abandoned)
        source_free(source); /* nobody waits for us any more */
    return NULL;
}

/* ---- the loop's thread ---- */

static void
on_tell(evutil_socket_t fd, short what, void *argument)
{
    struct config_source *source = argument;
    struct config_change *change;
    bool wake;

    silence(fd);
    pthread_mutex_lock(&source->lock);
    change = source->waiting;
    source->waiting = NULL;
    wake = source->wants_room;
    pthread_mutex_unlock(&source->lock);
    if (wake)
        ring(source->wake_fd);
    if (change != NULL)
        source->on_change(source->context, change); /* last: it may stop the source */
}

/* The thread gets no signals: they are the loop's. */
static int
start_thread(struct config_source *source)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&source->thread, NULL, source_main, source);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

static int
open_descriptors(struct config_source *source)
{
    source->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    source->tell_fd = source->wake_fd < 0 ? -1 : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return source->tell_fd < 0 ? -errno : 0;
}

static int
file_start(const struct config_source_options *options, struct config_source **out)
{
    struct config_source *source = calloc(1, sizeof *source);
    int rc;

    if (source == NULL || condition_init(&source->end) < 0) {
        free(source);
        config_set_destroy(options->set);
        return -ENOMEM;
    }
    pthread_mutex_init(&source->lock, NULL);
    source->on_change = options->on_change;
    source->context = options->context;
    source->set = options->set;
    source->wake_fd = source->tell_fd = -1;
    source->watch = watch_create(options->path);
    rc = source->watch == NULL ? -ENOMEM : open_descriptors(source);
    if (rc == 0) {
        source->event =
            event_new(options->base, source->tell_fd, EV_READ | EV_PERSIST, on_tell, source);
        rc = source->event == NULL || event_add(source->event, NULL) < 0 ? -ENOMEM : 0;
    }
    if (rc == 0)
        rc = start_thread(source);
    if (rc < 0) {
        if (source->event != NULL)
            event_free(source->event);
        source_free(source);
        return rc;
    }
    *out = source;
    return 0;
}

static void
file_look(struct config_source *source, uint64_t token)
{
    pthread_mutex_lock(&source->lock);
    source->asked = true;
    source->asked_token = token;
    pthread_mutex_unlock(&source->lock);
    ring(source->wake_fd);
}

/* The one that waits for the thread, made where there is none; NULL without memory. */
static struct holding *
holding_get(struct config_source *source, const char *app)
{
    struct holding *holding;

    HASH_FIND_STR(source->holdings, app, holding);
    if (holding != NULL)
        return holding;
    holding = calloc(1, sizeof *holding);
    if (holding == NULL)
        return NULL;
    snprintf(holding->app, sizeof holding->app, "%s", app);
    HASH_ADD_STR(source->holdings, app, holding);
    return holding;
}

static void
file_holds(struct config_source *source, const char *app, enum config_holds holds,
           struct shared_text *text)
{
    struct holding *holding;

    pthread_mutex_lock(&source->lock);
    holding = holding_get(source, app);
    if (holding != NULL) {
        shared_text_unref(holding->text);
        holding->text = shared_text_ref(text);
        holding->holds = holds;
    }
    pthread_mutex_unlock(&source->lock);
    ring(source->wake_fd);
}

/* True when the thread has ended; else it is left behind, and frees the source at its end. */
static bool
join_thread(struct config_source *source)
{
    uint64_t until_ms = clock_monotonic_ms() + STOP_GRACE_MS;
    pthread_t thread = source->thread;
    bool ended, in_time = true;

    pthread_mutex_lock(&source->lock);
    while (!source->ended && in_time)
        in_time = condition_wait_until(&source->end, &source->lock, until_ms);
    ended = source->ended;
    source->abandoned = !ended;
    pthread_mutex_unlock(&source->lock);
    if (ended) {
        pthread_join(thread, NULL);
        return true;
    }
    log_warn(NULL, "configuration: the disk does not answer; not waited for");
    pthread_detach(thread); /* `source` may be gone by now */
    return false;
}

static void
file_stop(struct config_source *source)
{
    event_free(source->event);
    pthread_mutex_lock(&source->lock);
    source->stopping = true;
    pthread_mutex_unlock(&source->lock);
    ring(source->wake_fd);
    if (join_thread(source))
        source_free(source);
}

const struct config_source_ops config_source_file = {
    .name = "file",
    .start = file_start,
    .look = file_look,
    .holds = file_holds,
    .stop = file_stop,
};
