/*
 * Files that change under a running loop: whatever happens to them is told, once and in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "config/set.h"
#include "config/source.h"
#include "config/watch.h"
#include "tests/unit/config_dir.h"

enum { WAIT_MS = 8000, SETTLED_MS = 200 };

#define FIRST "daemon -; defaults -"

struct fixture {
    char *dir, *conf; /* the configuration lies in DIR/conf */
    struct event_base *base;
    struct event *tick; /* so that the loop looks at the clock */
    struct config_source *source;
    char *said; /* by all changes since it was cleared, joined by "; " */
    size_t changes;
    uint64_t sequence, token;
    bool stop_within; /* stop the source from its own callback */
};

/* A disk that hangs as long as it is told to. */
static struct disk {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool hangs, is_waited_for;
} disk = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false };

int __real_config_set_look(struct config_set *set);
int __wrap_config_set_look(struct config_set *set);

int
__wrap_config_set_look(struct config_set *set)
{
    pthread_mutex_lock(&disk.lock);
    disk.is_waited_for = disk.hangs;
    pthread_cond_broadcast(&disk.moved);
    while (disk.hangs)
        pthread_cond_wait(&disk.moved, &disk.lock);
    disk.is_waited_for = false;
    pthread_mutex_unlock(&disk.lock);
    return __real_config_set_look(set);
}

static void
disk_hangs(bool hangs)
{
    pthread_mutex_lock(&disk.lock);
    disk.hangs = hangs;
    pthread_cond_broadcast(&disk.moved);
    pthread_mutex_unlock(&disk.lock);
}

static void
await_hanging(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&disk.lock);
    while (!disk.is_waited_for)
        assert_int_equal(pthread_cond_timedwait(&disk.moved, &disk.lock, &until), 0);
    pthread_mutex_unlock(&disk.lock);
}

static void
on_change(void *context, struct config_change *change)
{
    struct fixture *fixture = context;
    const char *text = told(change, fixture->dir);
    char *joined;

    assert_int_equal(change->sequence, fixture->sequence + 1);
    assert_true(asprintf(&joined, "%s%s%s", fixture->said,
                         *fixture->said != '\0' && *text != '\0' ? "; " : "", text) >= 0);
    free(fixture->said);
    fixture->said = joined;
    fixture->sequence = change->sequence;
    fixture->token = change->token != 0 ? change->token : fixture->token;
    fixture->changes++;
    config_change_free(change);
    if (fixture->stop_within) {
        config_source_file.stop(fixture->source);
        fixture->source = NULL;
    }
}

static void
on_tick(evutil_socket_t fd, short what, void *context)
{
}

static int
set_up(void **state)
{
    static const struct timeval tick = { .tv_usec = 10000 };
    struct fixture *fixture = calloc(1, sizeof *fixture);

    log_set_level(LOG_ERROR);
    fixture->dir = config_dir_create();
    if (fixture->dir == NULL)
        return -1;
    fixture->conf = strdup(in(fixture->dir, "conf"));
    fixture->said = strdup("");
    fixture->base = event_base_new();
    fixture->tick = event_new(fixture->base, -1, EV_PERSIST, on_tick, NULL);
    event_add(fixture->tick, &tick);
    *state = fixture;
    return mkdir(fixture->conf, 0700);
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->source != NULL)
        config_source_file.stop(fixture->source);
    event_free(fixture->tick);
    event_base_free(fixture->base);
    config_dir_destroy(fixture->dir);
    free(fixture->conf);
    free(fixture->said);
    free(fixture);
    return 0;
}

static void
start(struct fixture *fixture, const char *path)
{
    struct config_source_options options = {
        .base = fixture->base,
        .path = path,
        .set = config_set_create(path),
        .on_change = on_change,
        .context = fixture,
    };

    assert_non_null(options.set);
    config_set_look(options.set);
    assert_int_equal(config_source_file.start(&options, &fixture->source), 0);
}

/* Runs the loop until exactly this was said; then forgets it. */
static void
await(struct fixture *fixture, const char *expected)
{
    uint64_t until_ms = clock_monotonic_ms() + WAIT_MS;

    while (strcmp(fixture->said, expected) != 0 && clock_monotonic_ms() < until_ms)
        event_base_loop(fixture->base, EVLOOP_ONCE);
    assert_string_equal(fixture->said, expected);
    fixture->said[0] = '\0';
}

static void
await_token(struct fixture *fixture, uint64_t token)
{
    uint64_t until_ms = clock_monotonic_ms() + WAIT_MS;

    while (fixture->token != token && clock_monotonic_ms() < until_ms)
        event_base_loop(fixture->base, EVLOOP_ONCE);
    assert_int_equal(fixture->token, token);
}

static void
what_is_written_renamed_and_deleted_is_told(void **state)
{
    struct fixture *fixture = *state;
    FILE *file;

    put(fixture->conf, "a.conf", ONE("a", "80"));
    start(fixture, fixture->conf);
    await(fixture, "set a conf/a.conf; " FIRST);
    file = fopen(in(fixture->conf, "b.conf"), "w");
    fputs(ONE("b", "81"), file);
    fclose(file);
    await(fixture, "set b conf/b.conf");
    put(fixture->conf, "b.conf", ONE("b", "82"));
    await(fixture, "set b conf/b.conf");
    drop(fixture->conf, "a.conf");
    await(fixture, "gone a");
    assert_int_equal(rename(in(fixture->conf, "b.conf"), in(fixture->conf, "c.conf")), 0);
    await(fixture, "set b conf/c.conf");
}

static void
a_change_waits_until_it_has_settled(void **state)
{
    struct fixture *fixture = *state;
    uint64_t begin_ms;

    start(fixture, fixture->conf);
    await(fixture, FIRST);
    begin_ms = clock_monotonic_ms();
    put(fixture->conf, "a.conf", "apps = ( { name = \"a\"");
    put(fixture->conf, "a.conf", ONE("a", "80")); /* the half-written one is never seen */
    await(fixture, "set a conf/a.conf");
    assert_true(clock_monotonic_ms() >= begin_ms + SETTLED_MS);
}

static void
a_look_that_is_asked_for_is_at_once_and_answered(void **state)
{
    struct fixture *fixture = *state;

    start(fixture, fixture->conf);
    await(fixture, FIRST);
    config_source_file.look(fixture->source, 7);
    await_token(fixture, 7); /* though nothing is new */
    put(fixture->conf, "a.conf", ONE("a", "80"));
    config_source_file.look(fixture->source, 8);
    config_source_file.look(fixture->source, 9);
    await_token(fixture, 9);
    await(fixture, "set a conf/a.conf");
}

static void
what_it_is_told_of_ports_counts_from_the_next_look_on(void **state)
{
    struct fixture *fixture = *state;
    struct shared_text *text;

    put(fixture->conf, "b.conf", ONE("b", "80"));
    start(fixture, fixture->conf);
    await(fixture, "set b conf/b.conf; " FIRST);
    put(fixture->conf, "a.conf", ONE("a", "80"));
    text = shared_text_create("no text");
    config_source_file.holds(fixture->source, "b", CONFIG_HOLDS_TEXT, text);
    shared_text_unref(text);
    config_source_file.holds(fixture->source, "b", CONFIG_HOLDS_NOTHING, NULL);
    config_source_file.look(fixture->source, 1);
    await(fixture, "set a conf/a.conf; broken b conf/b.conf:1: b: ports: 80 is taken: app \"a\" "
                   "listens on 80 (conf/a.conf:1)");
    config_source_file.holds(fixture->source, "a", CONFIG_HOLDS_NOTHING, NULL);
}

static void
temporary_files_are_nothing(void **state)
{
    struct fixture *fixture = *state;
    size_t changes;

    start(fixture, fixture->conf);
    await(fixture, FIRST);
    changes = fixture->changes;
    put(fixture->conf, "a.conf~", "x");
    put(fixture->conf, "4913", "x");
    put(fixture->conf, ".a.conf.swp", "x");
    put(fixture->conf, "a.conf", ONE("a", "80"));
    await(fixture, "set a conf/a.conf");
    assert_int_equal(fixture->changes, changes + 1);
}

static void
a_directory_that_is_replaced_is_followed(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->conf, "a.conf", ONE("a", "80"));
    start(fixture, fixture->conf);
    await(fixture, "set a conf/a.conf; " FIRST);
    assert_int_equal(mkdir(in(fixture->dir, "new"), 0700), 0);
    put(fixture->dir, "new/a.conf", ONE("a", "81"));
    assert_int_equal(rename(fixture->conf, in(fixture->dir, "old")), 0);
    assert_int_equal(rename(in(fixture->dir, "new"), fixture->conf), 0);
    await(fixture, "set a conf/a.conf");
    put(fixture->conf, "b.conf", ONE("b", "82")); /* it is the new one that is watched */
    await(fixture, "set b conf/b.conf");
}

static void
a_directory_that_is_deleted_and_made_again_is_followed(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->conf, "a.conf", ONE("a", "80"));
    start(fixture, fixture->conf);
    await(fixture, "set a conf/a.conf; " FIRST);
    assert_int_equal(rename(fixture->conf, in(fixture->dir, "old")), 0);
    await(fixture, "broken a conf: cannot be read: No such file or directory");
    assert_int_equal(mkdir(fixture->conf, 0700), 0);
    await(fixture, "gone a");
    put(fixture->conf, "a.conf", ONE("a", "81"));
    await(fixture, "set a conf/a.conf");
}

/* The way Kubernetes mounts a ConfigMap: the files are links through a link that is swapped. */
static void
a_link_that_is_swapped_is_followed(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(mkdir(in(fixture->conf, "..1"), 0700), 0);
    assert_int_equal(mkdir(in(fixture->conf, "..2"), 0700), 0);
    put(fixture->conf, "..1/a.conf", ONE("a", "80"));
    put(fixture->conf, "..2/a.conf", ONE("a", "81"));
    assert_int_equal(symlink("..1", in(fixture->conf, "..data")), 0);
    assert_int_equal(symlink("..data/a.conf", in(fixture->conf, "a.conf")), 0);
    start(fixture, fixture->conf);
    await(fixture, "set a conf/a.conf; " FIRST);
    assert_int_equal(symlink("..2", in(fixture->conf, "..tmp")), 0);
    assert_int_equal(rename(in(fixture->conf, "..tmp"), in(fixture->conf, "..data")), 0);
    await(fixture, "set a conf/a.conf");
    put(fixture->conf, "..2/a.conf", ONE("a", "82")); /* where it leads now is watched */
    await(fixture, "set a conf/a.conf");
}

static void
the_directory_itself_may_be_a_link_that_is_swapped(void **state)
{
    struct fixture *fixture = *state;
    char *path = strdup(in(fixture->dir, "link"));

    assert_int_equal(mkdir(in(fixture->dir, "other"), 0700), 0);
    put(fixture->conf, "a.conf", ONE("a", "80"));
    put(fixture->dir, "other/a.conf", ONE("a", "81"));
    assert_int_equal(symlink("conf", path), 0);
    start(fixture, path);
    await(fixture, "set a link/a.conf; " FIRST);
    assert_int_equal(symlink("other", in(fixture->dir, "tmp")), 0);
    assert_int_equal(rename(in(fixture->dir, "tmp"), path), 0);
    await(fixture, "set a link/a.conf");
    free(path);
}

static void
one_file_is_watched_too(void **state)
{
    struct fixture *fixture = *state;
    char *path = strdup(in(fixture->dir, "one"));

    put(fixture->dir, "one", ONE("a", "80"));
    start(fixture, path);
    await(fixture, "set a one; " FIRST);
    put(fixture->dir, "one", ONE("a", "81"));
    await(fixture, "set a one");
    drop(fixture->dir, "one");
    await(fixture, "broken a one: cannot be read: No such file or directory");
    put(fixture->dir, "one", ONE("b", "81"));
    await(fixture, "gone a; set b one");
    free(path);
}

/* Written to without end: it is told every second at the latest, and in the end the last. */
static void
a_file_that_never_settles_is_told_nevertheless(void **state)
{
    struct fixture *fixture = *state;
    uint64_t until_ms;
    char text[128];

    start(fixture, fixture->conf);
    await(fixture, FIRST);
    until_ms = clock_monotonic_ms() + WAIT_MS;
    for (int i = 0; fixture->changes < 3 && clock_monotonic_ms() < until_ms; i++) {
        snprintf(text, sizeof text, ONE("a", "%d"), 1000 + i);
        put(fixture->conf, "a.conf", text);
        event_base_loop(fixture->base, EVLOOP_ONCE);
    }
    assert_true(fixture->changes >= 3);
    put(fixture->conf, "a.conf", ONE("z", "80"));
    config_source_file.look(fixture->source, 1);
    await_token(fixture, 1);
    assert_non_null(strstr(fixture->said, "gone a; set z conf/a.conf"));
}

/* The loop is busy while several changes happen: they come together, once. */
static void
changes_grow_together_while_the_loop_is_busy(void **state)
{
    struct fixture *fixture = *state;

    start(fixture, fixture->conf);
    await(fixture, FIRST);
    put(fixture->conf, "a.conf", ONE("a", "80"));
    config_source_file.look(fixture->source, 1);
    await_token(fixture, 1);
    await(fixture, "set a conf/a.conf");
    for (uint64_t i = 2; i < 50; i++)
        config_source_file.look(fixture->source, i);
    put(fixture->conf, "a.conf", ONE("a", "81"));
    config_source_file.look(fixture->source, 50);
    await_token(fixture, 50);
    await(fixture, "set a conf/a.conf");
}

/* Without a descriptor left, sweeps and look() do; and it is tried again. */
static void
what_the_system_refuses_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    struct watch *watch = watch_create(fixture->conf);
    struct config_set *set = config_set_create(fixture->conf);
    struct watch_seen seen = { 0 };
    struct rlimit before, none;

    assert_int_equal(config_set_look(set), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){ 0, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_false(watch_refresh(watch, set));
    assert_int_equal(watch_fd(watch), -1);
    assert_false(watch_is_complete(watch));
    watch_drain(watch, &seen);
    assert_false(seen.any);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(watch_refresh(watch, set));
    assert_false(watch_refresh(watch, set)); /* nothing is new */
    assert_true(watch_is_complete(watch));
    put(fixture->conf, "a.conf", "");
    watch_drain(watch, &seen);
    assert_true(seen.any && !seen.all);
    assert_int_equal(seen.name_count, 1);
    assert_string_equal(seen.names[0], "a.conf");
    watch_destroy(watch);
    config_set_destroy(set);
}

static void
neighbours_on_the_way_are_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct watch *watch = watch_create(fixture->conf);
    struct config_set *set = config_set_create(fixture->conf);
    struct watch_seen seen = { 0 };

    assert_true(watch_refresh(watch, set));
    put(fixture->dir, "neighbour.conf", "");
    put(fixture->conf, "a.conf.tmp", "");
    watch_drain(watch, &seen);
    assert_false(seen.any);
    assert_int_equal(rename(fixture->conf, in(fixture->dir, "old")), 0);
    watch_drain(watch, &seen);
    assert_true(seen.any && seen.all);
    watch_destroy(watch);
    config_set_destroy(set);
}

static void
more_names_than_are_kept_are_all_of_them(void **state)
{
    struct fixture *fixture = *state;
    struct watch *watch = watch_create(fixture->conf);
    struct config_set *set = config_set_create(fixture->conf);
    struct watch_seen seen = { 0 };
    char name[32];

    assert_true(watch_refresh(watch, set));
    for (int i = 0; i <= WATCH_NAMES_MAX; i++) {
        assert_false(seen.all);
        snprintf(name, sizeof name, "%d.conf", i);
        put(fixture->conf, name, "");
        watch_drain(watch, &seen);
    }
    assert_true(seen.all);
    watch_destroy(watch);
    config_set_destroy(set);
}

static void
it_may_be_stopped_from_its_own_callback(void **state)
{
    struct fixture *fixture = *state;

    fixture->stop_within = true;
    start(fixture, fixture->conf);
    await(fixture, FIRST);
    assert_null(fixture->source);
}

/* The loop goes on, and ends, without it; the thread ends when the disk answers. */
static void
a_disk_that_hangs_holds_up_nobody(void **state)
{
    struct fixture *fixture = *state;
    uint64_t begin_ms;

    start(fixture, fixture->conf);
    await(fixture, FIRST);
    disk_hangs(true);
    config_source_file.look(fixture->source, 1);
    await_hanging();
    begin_ms = clock_monotonic_ms();
    config_source_file.stop(fixture->source);
    fixture->source = NULL;
    assert_true(clock_monotonic_ms() < begin_ms + WAIT_MS);
    disk_hangs(false);
    assert_int_equal(event_base_loop(fixture->base, EVLOOP_NONBLOCK), 0);
    assert_int_equal(fixture->token, 0);
}

#define WITH_SOURCE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void
sources_are_found_by_name(void **state)
{
    assert_ptr_equal(config_source_find("file"), &config_source_file);
    assert_null(config_source_find("files"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_are_found_by_name),
        WITH_SOURCE(what_is_written_renamed_and_deleted_is_told),
        WITH_SOURCE(a_change_waits_until_it_has_settled),
        WITH_SOURCE(a_look_that_is_asked_for_is_at_once_and_answered),
        WITH_SOURCE(what_it_is_told_of_ports_counts_from_the_next_look_on),
        WITH_SOURCE(temporary_files_are_nothing),
        WITH_SOURCE(a_directory_that_is_replaced_is_followed),
        WITH_SOURCE(a_directory_that_is_deleted_and_made_again_is_followed),
        WITH_SOURCE(a_link_that_is_swapped_is_followed),
        WITH_SOURCE(the_directory_itself_may_be_a_link_that_is_swapped),
        WITH_SOURCE(one_file_is_watched_too),
        WITH_SOURCE(a_file_that_never_settles_is_told_nevertheless),
        WITH_SOURCE(changes_grow_together_while_the_loop_is_busy),
        WITH_SOURCE(what_the_system_refuses_is_tried_again),
        WITH_SOURCE(neighbours_on_the_way_are_nothing),
        WITH_SOURCE(more_names_than_are_kept_are_all_of_them),
        WITH_SOURCE(a_disk_that_hangs_holds_up_nobody),
        WITH_SOURCE(it_may_be_stopped_from_its_own_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
