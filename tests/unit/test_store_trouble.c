/*
 * A database that cannot be written never stops anybody: writes wait, are tried again, and
 * the state tells. Faults of the disk are made by a VFS around SQLite's own, since tests run
 * as root, whom no mode bits stop.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/unit/store_fixture.h"

enum fault { FAULT_NONE, FAULT_FULL, FAULT_READ_ONLY, FAULT_HANGS, FAULT_NO_SHM };

static _Atomic int fault;
static atomic_bool hangs;        /* a write meets FAULT_HANGS right now */
static sqlite3_vfs *real_vfs;

/* A database file has locks, its log has none: SQLite has a table of methods for either. */
static const sqlite3_io_methods *real_methods[2];
static sqlite3_io_methods faulty_methods[2];

static int
faulty_write(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 offset)
{
    while (atomic_load(&fault) == FAULT_HANGS) {
        atomic_store(&hangs, true);
        short_pause();
    }
    atomic_store(&hangs, false);
    if (atomic_load(&fault) == FAULT_FULL)
        return SQLITE_FULL;
    return real_methods[file->pMethods == &faulty_methods[1]]->xWrite(file, data, bytes,
                                                                      offset);
}

static int
faulty_shm_map(sqlite3_file *file, int page, int bytes, int extend, void volatile **memory)
{
    if (atomic_load(&fault) == FAULT_READ_ONLY)
        return SQLITE_CANTOPEN;
    if (atomic_load(&fault) == FAULT_NO_SHM)
        return SQLITE_IOERR_SHMMAP;
    return real_methods[0]->xShmMap(file, page, bytes, extend, memory);
}

static int
faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
    int which = (flags & SQLITE_OPEN_MAIN_DB) != 0 ? 0 : 1;
    int rc;

    if (atomic_load(&fault) == FAULT_READ_ONLY && which == 0)
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    rc = real_vfs->xOpen(real_vfs, name, file, flags, flags_out);
    if (rc == SQLITE_OK && file->pMethods == real_methods[which])
        file->pMethods = &faulty_methods[which];
    return rc;
}

/* Learns SQLite's own methods from a database and the log of it. */
static void
learn_methods(const char *path)
{
    sqlite3_file *file = NULL;
    sqlite3 *handle = NULL;

    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, "PRAGMA journal_mode=WAL; CREATE TABLE t (x)", NULL,
                                  NULL, NULL), SQLITE_OK);
    sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    real_methods[0] = file->pMethods;
    sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    real_methods[1] = file->pMethods;
    sqlite3_close(handle);
    for (int i = 0; i < 2; i++) {
        faulty_methods[i] = *real_methods[i];
        faulty_methods[i].xWrite = faulty_write;
    }
    faulty_methods[0].xShmMap = faulty_shm_map;
}

static int
install_faulty_vfs(void **state)
{
    static sqlite3_vfs vfs;
    struct fixture *fixture;
    void *learning;

    fixture_setup(&learning);
    fixture = learning;
    learn_methods(fixture->path);
    fixture_teardown(&learning);
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs;
    vfs.zName = "faulty";
    vfs.xOpen = faulty_open;
    return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK ? 0 : -1;
}

static int
teardown(void **state)
{
    atomic_store(&fault, FAULT_NONE);
    return fixture_teardown(state);
}

static void
a_missing_directory_is_written_to_once_it_is_there(void **state)
{
    struct fixture *fixture = *state;
    struct store_config *configs;
    size_t count;
    char text[512];

    assert_int_equal(rmdir(fixture->dir), 0);
    fixture_open(fixture);
    assert_false(store_state(fixture->store, text, sizeof text));
    assert_non_null(strstr(text, "No such file or directory"));
    assert_true(store_read_configs(fixture->store, &configs, &count) < 0);
    assert_null(configs);
    assert_int_equal(write_good(fixture, "a", 1, clock_wall_ms()), 0);

    assert_int_equal(mkdir(fixture->dir, 0700), 0);
    fixture_await(fixture, "SELECT config FROM last_good_config", "name = a 1;");
    fixture_await_state(fixture, "ok");
}

/* Of another process first, then to be made. */
struct holder {
    const char *dir;
    atomic_bool taken;
};

static int
hold(void *context)
{
    struct holder *holder = context;

    if (atomic_load(&holder->taken))
        return -EWOULDBLOCK;
    return mkdir(holder->dir, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

static void
a_directory_that_was_removed_is_asked_for_before_it_is_written(void **state)
{
    struct fixture *fixture = *state;
    struct holder holder = { .dir = fixture->dir, .taken = true };
    char command[128];

    fixture_open(fixture);
    store_set_directory(fixture->store, hold, &holder);
    write_good(fixture, "a", 1, 0);
    fixture_await(fixture, "SELECT app FROM last_good_config", "a");
    snprintf(command, sizeof command, "rm -r %s", fixture->dir);
    assert_int_equal(system(command), 0);

    write_good(fixture, "b", 1, 0);
    fixture_await_state(fixture, "another fproxy has it");
    assert_int_not_equal(access(fixture->dir, F_OK), 0);
    atomic_store(&holder.taken, false);
    fixture_await(fixture, "SELECT group_concat(app) FROM last_good_config", "a,b");
    fixture_close(fixture);
}

static void
a_directory_in_place_of_the_file_is_told_and_does_not_stop_us(void **state)
{
    struct fixture *fixture = *state;
    char text[512];

    assert_int_equal(mkdir(fixture->path, 0700), 0);
    fixture_open(fixture);
    assert_false(store_state(fixture->store, text, sizeof text));
    assert_non_null(strstr(text, "cannot be opened"));
    assert_int_equal(write_good(fixture, "a", 1, clock_wall_ms()), 0);
    store_close(fixture->store, 100);
    fixture->store = NULL;
}

static void
a_path_that_is_too_long_is_an_error(void **state)
{
    char dir[5000];
    struct store *store;

    memset(dir, 'x', sizeof dir);
    dir[sizeof dir - 1] = '\0';
    assert_int_equal(store_open(dir, &store), -ENAMETOOLONG);
}

/* A process that takes the database for itself while a byte is to be had from `order`. */
static pid_t
start_locker(struct fixture *fixture, int order, int answer)
{
    pid_t pid = fork();
    sqlite3 *handle = NULL;
    char byte;

    if (pid != 0)
        return pid;
    if (read(order, &byte, 1) != 1 || sqlite3_open(fixture->path, &handle) != SQLITE_OK)
        _exit(1);
    sqlite3_busy_timeout(handle, 5000);
    if (sqlite3_exec(handle, "BEGIN EXCLUSIVE", NULL, NULL, NULL) != SQLITE_OK ||
        write(answer, "l", 1) != 1 || read(order, &byte, 1) != 1 ||
        sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        _exit(2);
    _exit(0);
}

static void
a_lock_of_another_process_is_waited_out_without_blocking_callers(void **state)
{
    struct fixture *fixture = *state;
    int order[2], answer[2], status;
    uint64_t longest_us = 0;
    char byte;
    pid_t pid;

    assert_int_equal(pipe(order) | pipe(answer), 0);
    pid = start_locker(fixture, order[0], answer[1]);   /* before any thread is */
    fixture_open(fixture);
    assert_int_equal(write(order[1], "l", 1), 1);
    assert_int_equal(read(answer[0], &byte, 1), 1);

    for (uint32_t i = 1; i <= 200; i++) {
        uint64_t start_us = clock_monotonic_us();

        assert_int_equal(write_good(fixture, "a", i, clock_wall_ms()), 0);
        longest_us = clock_monotonic_us() - start_us > longest_us
                         ? clock_monotonic_us() - start_us
                         : longest_us;
    }
    /* The lock is tried for 250 ms; a caller that waited for that would show here. */
    assert_in_range(longest_us, 0, 200000);
    fixture_await_state(fixture, "locked by another process");

    assert_int_equal(write(order[1], "u", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    fixture_await(fixture, "SELECT config FROM last_good_config", "name = a 200;");
    fixture_await_state(fixture, "ok");
    for (int i = 0; i < 2; i++) {
        close(order[i]);
        close(answer[i]);
    }
}

static void
a_start_while_it_is_locked_knows_all_and_writes_later(void **state)
{
    struct fixture *fixture = *state;
    struct store_config *configs;
    int order[2], answer[2], status;
    size_t count;
    char byte;
    pid_t pid;

    fixture_open(fixture);
    write_good(fixture, "a", 1, clock_wall_ms());
    fixture_close(fixture);
    assert_int_equal(pipe(order) | pipe(answer), 0);
    pid = start_locker(fixture, order[0], answer[1]);
    assert_int_equal(write(order[1], "l", 1), 1);
    assert_int_equal(read(answer[0], &byte, 1), 1);

    fixture_open(fixture);
    assert_int_equal(store_read_configs(fixture->store, &configs, &count), 0);
    assert_int_equal(count, 2);
    store_configs_free(configs, count);
    write_good(fixture, "a", 2, clock_wall_ms());
    fixture_await_state(fixture, "locked by another process");

    assert_int_equal(write(order[1], "u", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    fixture_await(fixture, "SELECT generation FROM last_good_config", "2");
    for (int i = 0; i < 2; i++) {
        close(order[i]);
        close(answer[i]);
    }
}

static void
a_full_disk_is_told_and_what_waited_is_written_later(void **state)
{
    struct fixture *fixture = *state;
    struct record record = result_record("a", "10.0.0.1:80", "ok", 1, clock_wall_ms());

    fixture_open(fixture);
    write_good(fixture, "a", 1, clock_wall_ms());
    fixture_await(fixture, "SELECT generation FROM last_good_config", "1");
    atomic_store(&fault, FAULT_FULL);
    write_good(fixture, "a", 2, clock_wall_ms());
    assert_int_equal(store_write_record(fixture->store, &record), 0);
    fixture_await_state(fixture, "the disk is full");
    assert_string_equal(fixture_query(fixture, "SELECT generation FROM last_good_config"), "1");

    atomic_store(&fault, FAULT_NONE);
    fixture_await(fixture, "SELECT generation FROM last_good_config", "2");
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT count(*) FROM probe_results"), "1");
}

static void
a_disk_that_is_full_at_the_start_is_no_reason_to_stop(void **state)
{
    struct fixture *fixture = *state;

    atomic_store(&fault, FAULT_FULL);
    fixture_open(fixture);
    fixture_await_state(fixture, "the disk is full");
    write_good(fixture, "a", 1, clock_wall_ms());
    atomic_store(&fault, FAULT_NONE);
    fixture_await(fixture, "SELECT generation FROM last_good_config", "1");
}

static void
a_read_only_database_still_tells_the_last_good_configuration(void **state)
{
    struct fixture *fixture = *state;
    struct store_config *configs;
    size_t count;

    fixture_open(fixture);
    write_good(fixture, "a", 1, clock_wall_ms());
    fixture_close(fixture);

    atomic_store(&fault, FAULT_READ_ONLY);
    fixture_open(fixture);
    fixture_await_state(fixture, "cannot be opened");
    assert_int_equal(store_read_configs(fixture->store, &configs, &count), 0);
    assert_int_equal(count, 2);
    store_configs_free(configs, count);
    assert_int_equal(write_good(fixture, "a", 2, clock_wall_ms()), 0);
    assert_int_equal(fixture_files(fixture, "bad"), 0);
}

static void
without_shared_memory_a_rollback_journal_is_used(void **state)
{
    struct fixture *fixture = *state;

    atomic_store(&fault, FAULT_NO_SHM);
    fixture_open(fixture);
    fixture_await_state(fixture, "ok");
    write_good(fixture, "a", 1, clock_wall_ms());
    fixture_close(fixture);
    assert_int_equal(fixture_files(fixture, "-wal"), 0);
    assert_string_equal(fixture_query(fixture, "SELECT generation FROM last_good_config"), "1");
}

static int
store_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[512], name[32] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        file = fopen(path, "re");
        if (file == NULL)
            continue;
        count += fgets(name, sizeof name, file) != NULL && strcmp(name, "fp-store\n") == 0;
        fclose(file);
    }
    closedir(dir);
    return count;
}

static void
closing_is_bounded_when_the_disk_does_not_answer(void **state)
{
    struct fixture *fixture = *state;
    uint64_t start_ms, start_us;

    fixture_open(fixture);
    atomic_store(&fault, FAULT_HANGS);
    write_good(fixture, "a", 1, clock_wall_ms());
    for (int i = 0; i < 1000 && !atomic_load(&hangs); i++)
        short_pause();
    assert_true(atomic_load(&hangs));
    start_us = clock_monotonic_us();
    write_good(fixture, "a", 2, clock_wall_ms());
    assert_in_range(clock_monotonic_us() - start_us, 0, 500000);

    start_ms = clock_monotonic_ms();
    store_close(fixture->store, 100);
    fixture->store = NULL;
    assert_in_range(clock_monotonic_ms() - start_ms, 100, 10000);

    /* The thread was left behind; it ends by itself when the disk answers, and closes. What it
     * was writing is complete then; what waited behind that may be lost. */
    atomic_store(&fault, FAULT_NONE);
    fixture_await(fixture, "SELECT generation FROM config_generations WHERE generation = 1", "1");
    for (int i = 0; i < 1000 && store_threads() > 0; i++)
        short_pause();
    assert_int_equal(store_threads(), 0);
}

static void
closing_is_bounded_when_the_disk_is_full(void **state)
{
    struct fixture *fixture = *state;
    uint64_t start_ms;

    fixture_open(fixture);
    atomic_store(&fault, FAULT_FULL);
    write_good(fixture, "a", 1, clock_wall_ms());
    start_ms = clock_monotonic_ms();
    store_close(fixture->store, 300);
    fixture->store = NULL;
    assert_in_range(clock_monotonic_ms() - start_ms, 300, 5000);
}

static void
a_file_that_was_removed_is_made_anew_with_all_good_configurations(void **state)
{
    struct fixture *fixture = *state;
    char path[128];

    fixture_open(fixture);
    write_good(fixture, "old", 1, clock_wall_ms());
    fixture_close(fixture);

    fixture_open(fixture);
    write_good(fixture, "a", 1, clock_wall_ms());
    write_good(fixture, "b", 1, clock_wall_ms());
    store_forget_app(fixture->store, "b", clock_wall_ms());
    fixture_await(fixture, "SELECT group_concat(app) FROM (SELECT app FROM last_good_config"
                           " ORDER BY app)", "a,old");
    unlink(fixture->path);
    snprintf(path, sizeof path, "%s-wal", fixture->path);
    unlink(path);
    snprintf(path, sizeof path, "%s-shm", fixture->path);
    unlink(path);

    write_good(fixture, "c", 1, clock_wall_ms());
    fixture_await(fixture, "SELECT group_concat(app) FROM (SELECT app FROM last_good_config"
                           " ORDER BY app)", "a,c,old");
}

static void
a_newer_schema_is_not_touched_but_read(void **state)
{
    struct fixture *fixture = *state;
    struct store_config *configs;
    size_t count;

    fixture_open(fixture);
    write_good(fixture, "a", 1, clock_wall_ms());
    fixture_close(fixture);
    fixture_exec(fixture, "PRAGMA user_version = 99; CREATE TABLE of_the_future (x)");

    fixture_open(fixture);
    fixture_await_state(fixture, "schema version 99");
    assert_int_equal(store_read_configs(fixture->store, &configs, &count), 0);
    assert_int_equal(count, 2);
    store_configs_free(configs, count);
    write_good(fixture, "a", 2, clock_wall_ms());
    store_close(fixture->store, 300);
    fixture->store = NULL;
    assert_string_equal(fixture_query(fixture, "SELECT generation FROM last_good_config"), "1");
    assert_string_equal(fixture_query(fixture, "PRAGMA user_version"), "99");
    assert_int_equal(fixture_files(fixture, "bad"), 0);
}

static void
a_full_queue_drops_history_and_still_takes_configurations(void **state)
{
    struct fixture *fixture = *state;
    struct record record = result_record("a", "10.0.0.1:80", "ok", 1, clock_wall_ms());
    char text[512];
    int rc = 0;

    atomic_store(&fault, FAULT_FULL);
    fixture_open(fixture);
    for (uint32_t i = 0; i < STORE_QUEUE_MAX + 1000 && rc == 0; i++)
        rc = store_write_record(fixture->store, &record);
    assert_int_equal(rc, -ENOBUFS);
    assert_int_equal(write_good(fixture, "a", 1, clock_wall_ms()), 0);
    store_state(fixture->store, text, sizeof text);
    assert_non_null(strstr(text, "writes wait in memory"));
    assert_null(strstr(text, " 0 were lost"));

    atomic_store(&fault, FAULT_NONE);
    fixture_await(fixture, "SELECT generation FROM last_good_config", "1");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_missing_directory_is_written_to_once_it_is_there),
        TEST(a_directory_that_was_removed_is_asked_for_before_it_is_written),
        TEST(a_directory_in_place_of_the_file_is_told_and_does_not_stop_us),
        cmocka_unit_test(a_path_that_is_too_long_is_an_error),
        TEST(a_lock_of_another_process_is_waited_out_without_blocking_callers),
        TEST(a_start_while_it_is_locked_knows_all_and_writes_later),
        TEST(a_full_disk_is_told_and_what_waited_is_written_later),
        TEST(a_disk_that_is_full_at_the_start_is_no_reason_to_stop),
        TEST(a_read_only_database_still_tells_the_last_good_configuration),
        TEST(without_shared_memory_a_rollback_journal_is_used),
        TEST(closing_is_bounded_when_the_disk_does_not_answer),
        TEST(closing_is_bounded_when_the_disk_is_full),
        TEST(a_file_that_was_removed_is_made_anew_with_all_good_configurations),
        TEST(a_newer_schema_is_not_touched_but_read),
        TEST(a_full_queue_drops_history_and_still_takes_configurations),
    };

    return cmocka_run_group_tests(tests, install_faulty_vfs, NULL);
}
