/*
 * available_set between processes: readers map the file read-only, at addresses of their own.
 *
 * Every published set carries a checksum over all of it (in the place of its time), which
 * each reader computes again from its copy. Not for ThreadSanitizer, which sees nothing
 * between processes. Bounded by numbers of publications, as the test with threads.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "strategy/available_set.h"

enum { ROOM = 48, READERS = 2, PUBLICATIONS = 20000, FREE_RUN = 100 };
enum reader_exit { READER_FINE, READER_NO_MEMORY, READER_WENT_BACK, READER_MIXED };

struct progress {                       /* shared memory beside the set */
    _Atomic uint64_t verified[READERS];
    _Atomic bool ended[READERS];        /* for whatever reason: its exit status tells */
};

static uint64_t
checksum_of(const struct available_endpoint *endpoints, uint32_t count, uint32_t flags)
{
    const unsigned char *bytes = (const unsigned char *)endpoints;
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ count ^ (uint64_t)flags << 32;

    for (size_t i = 0; i < count * sizeof *endpoints; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t
checksum_of_snapshot(const struct available_snapshot *snapshot)
{
    return checksum_of(snapshot->endpoints, snapshot->count + snapshot->reserve,
                       snapshot->flags | snapshot->reserve << AVAILABLE_RESERVE_SHIFT);
}

static uint64_t
next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static enum reader_exit
read_until_the_last(int fd, size_t bytes, _Atomic uint64_t *verified)
{
    const struct available_set *set = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    struct available_snapshot *snapshot = calloc(1, available_snapshot_bytes(ROOM));
    uint64_t seen = 0;

    if (set == MAP_FAILED || snapshot == NULL)
        return READER_NO_MEMORY;
    while (seen < PUBLICATIONS) {
        available_set_copy(set, snapshot);
        if (snapshot->generation < seen)
            return READER_WENT_BACK;
        seen = snapshot->generation;
        if (seen > 0 && snapshot->published_at_ms != checksum_of_snapshot(snapshot))
            return READER_MIXED;
        atomic_fetch_add(verified, 1);
    }
    free(snapshot);
    return READER_FINE;
}

static pid_t
reader_start(int fd, size_t bytes, struct progress *progress, size_t index)
{
    pid_t pid = fork();
    enum reader_exit result;

    if (pid != 0)
        return pid;
    result = read_until_the_last(fd, bytes, &progress->verified[index]);
    atomic_store(&progress->ended[index], true);
    _exit(result);
}

/* Waits for one more verified snapshot of each reader that still runs. */
static void
wait_for_each_reader(struct progress *progress, const pid_t *pids)
{
    for (size_t i = 0; i < READERS; i++) {
        uint64_t before = atomic_load(&progress->verified[i]);
        siginfo_t info = { 0 };

        while (atomic_load(&progress->verified[i]) == before &&
               !atomic_load(&progress->ended[i])) {
            sched_yield();
            /* Killed by a signal? WNOWAIT leaves the status for the end of the test. */
            waitid(P_PID, (id_t)pids[i], &info, WEXITED | WNOHANG | WNOWAIT);
            if (info.si_pid != 0)
                break;
        }
    }
}

static void
publish_all(struct available_set *set, struct progress *progress, const pid_t *pids)
{
    struct available_endpoint list[ROOM] = { 0 };
    uint64_t seed = 1;

    for (uint64_t generation = 1; generation <= PUBLICATIONS; generation++) {
        uint32_t count = (uint32_t)(next_random(&seed) % (ROOM + 1));
        uint32_t reserve = (uint32_t)(next_random(&seed) % (count + 1));
        uint32_t flags = ((uint32_t)next_random(&seed) & AVAILABLE_FLAGS) |
                         reserve << AVAILABLE_RESERVE_SHIFT;

        for (uint32_t i = 0; i < count; i++) {
            list[i].id = (uint32_t)next_random(&seed);
            list[i].slot = (uint16_t)(next_random(&seed) % ROOM);
            list[i].address.port = (uint16_t)next_random(&seed);
            list[i].tier = (uint32_t)next_random(&seed);
        }
        assert_int_equal(available_set_publish(set, list, count, flags,
                                               checksum_of(list, count, flags)), 0);
        if (generation % FREE_RUN == 0 && generation < PUBLICATIONS)
            wait_for_each_reader(progress, pids);
    }
}

static void
no_process_ever_copies_a_mixed_or_older_set(void **state)
{
    size_t bytes = available_set_bytes(ROOM);
    int fd = memfd_create("available-set", MFD_CLOEXEC);
    struct available_set *set;
    struct progress *progress;
    pid_t pids[READERS];

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    set = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                    -1, 0);
    assert_true(set != MAP_FAILED && progress != MAP_FAILED);
    available_set_init(set, ROOM);
    for (size_t i = 0; i < READERS; i++) {
        pids[i] = reader_start(fd, bytes, progress, i);
        assert_true(pids[i] > 0);
    }
    publish_all(set, progress, pids);
    for (size_t i = 0; i < READERS; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), READER_FINE);
        assert_true(atomic_load(&progress->verified[i]) >= PUBLICATIONS / FREE_RUN);
    }
    munmap(set, bytes);
    munmap(progress, sizeof *progress);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_process_ever_copies_a_mixed_or_older_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
