/*
 * Boards and traffic pages made of any bytes: a reader may refuse them, or show nonsense,
 * but never leaves the mapping or its own buffers.
 *
 * Input: a byte for the way, then
 *   even: the file, as it is;
 *   odd: the number of slots (a byte), an offset (two bytes, in units of 4) and what
 *        overwrites a well-formed file from there on.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "strategy/board.h"
#include "strategy/traffic.h"

enum { SLOTS_MAX = 8, DAMAGE_HEAD_BYTES = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
file_with(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    return fd;
}

static void
damage(int fd, size_t bytes, const uint8_t *data, size_t size)
{
    size_t offset = (data[2] | (size_t)data[3] << 8) * 4;
    size_t count = size - DAMAGE_HEAD_BYTES;

    if (offset >= bytes)
        return;
    if (count > bytes - offset)
        count = bytes - offset;
    if (pwrite(fd, data + DAMAGE_HEAD_BYTES, count, (off_t)offset) != (ssize_t)count)
        abort();
}

static int
damaged_board(const uint8_t *data, size_t size)
{
    uint32_t slots = data[1] % SLOTS_MAX + 1;
    int fd = file_with(NULL, 0);

    if (ftruncate(fd, (off_t)board_bytes(slots)) < 0 ||
        board_format(fd, "fuzz", 1, 1, slots) < 0)
        abort();
    damage(fd, board_bytes(slots), data, size);
    return fd;
}

static int
damaged_traffic(const uint8_t *data, size_t size)
{
    uint32_t slots = data[1] % SLOTS_MAX + 1, threads = data[1] / SLOTS_MAX % 3 + 1;
    int fd = file_with(NULL, 0);

    if (ftruncate(fd, (off_t)traffic_bytes(threads, slots)) < 0 ||
        traffic_format(fd, "fuzz", "fuzz", 1, threads, slots) < 0)
        abort();
    damage(fd, traffic_bytes(threads, slots), data, size);
    return fd;
}

static void
read_available(const struct board *board)
{
    const struct available_set *set = board_available(board);
    uint32_t endpoints_max = available_set_endpoints_max(set);
    struct available_snapshot *snapshot = calloc(1, available_snapshot_bytes(endpoints_max));

    if (snapshot == NULL)
        abort();
    available_set_copy(set, snapshot);
    assert(snapshot->count + snapshot->reserve <= endpoints_max);
    assert(!available_set_moved(set, snapshot));
    for (uint32_t i = 0; i < snapshot->count + snapshot->reserve; i++)
        (void)atomic_load(&board_pulse(board, snapshot->endpoints[i].slot)->id);
    free(snapshot);
}

static void
read_board(int fd)
{
    struct board_detail detail;
    struct board_summary summary;
    struct board *board;

    if (board_open(fd, false, &board) < 0)
        return;
    assert(strlen(board_app(board)) < APP_NAME_BYTES);
    read_available(board);
    (void)board_summary(board, &summary);
    for (uint32_t slot = 0; slot < board_slots(board); slot++) {
        if (!board_detail(board, slot, &detail))
            continue;
        assert(strlen(detail.target) < sizeof detail.target);
        assert(strlen(detail.probe_kind) < sizeof detail.probe_kind);
        assert(strlen(detail.probe_detail) < sizeof detail.probe_detail);
        assert(strlen(endpoint_state_name((enum endpoint_state)detail.state)) > 0);
        assert(reason_name((enum reason)detail.reason) != NULL);
    }
    board_close(board);
}

static void
read_traffic(int fd)
{
    struct traffic_totals totals;
    struct traffic *traffic;
    uint64_t connected, failed, active;

    if (traffic_open(fd, false, &traffic) < 0)
        return;
    assert(strlen(traffic_app(traffic)) < APP_NAME_BYTES);
    traffic_sum(traffic, &totals);
    for (uint32_t slot = 0; slot < traffic_slots(traffic); slot++) {
        (void)atomic_load(&traffic_knowledge(traffic, slot)->shunned_until_ms);
        traffic_sum_tries(traffic, slot, slot, &connected, &failed, &active);
    }
    traffic_close(traffic);
}

static void
parse_name(const uint8_t *data, size_t size)
{
    char *name = calloc(1, size + 1);
    char app[APP_NAME_BYTES], again[BOARD_NAME_BYTES];
    uint32_t number;

    if (name == NULL)
        abort();
    memcpy(name, data, size);
    if (board_file_parse(name, app, &number)) {
        board_file_name(app, number, again);
        assert(strcmp(name, again) == 0);
    }
    free(name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int board_fd, traffic_fd;

    if (size < DAMAGE_HEAD_BYTES)
        return 0;
    if (data[0] % 2 == 0) {
        parse_name(data + 1, size - 1);
        board_fd = file_with(data + 1, size - 1);
        traffic_fd = dup(board_fd);
    } else {
        board_fd = damaged_board(data, size);
        traffic_fd = damaged_traffic(data, size);
    }
    read_board(board_fd);
    read_traffic(traffic_fd);
    close(board_fd);
    close(traffic_fd);
    return 0;
}
