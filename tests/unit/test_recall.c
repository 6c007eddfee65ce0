/* What becomes of a board when its app cannot be loaded from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "probes/prober_priv.h"
#include "probes/recall.h"

enum { SLOTS = 2, ID = 7 };

static struct board *
make_board(void)
{
    int fd = memfd_create("board", MFD_CLOEXEC);
    struct board_detail detail = { .id = ID, .target = "10.0.0.1:80" };
    struct board *board;

    assert_int_equal(ftruncate(fd, (off_t)board_bytes(SLOTS)), 0);
    assert_int_equal(board_format(fd, "web", 1, 1, SLOTS), 0);
    assert_int_equal(board_open(fd, true, &board), 0);
    close(fd);
    assert_int_equal(address_parse_ip("10.0.0.1", 80, &detail.address), 0);
    board_set_detail(board, 0, &detail);
    atomic_store(&board_pulse_writable(board, 0)->id, ID);
    return board;
}

static void
without_memory_for_the_targets_the_board_stays_as_it_is(void **state)
{
    char resolver;                      /* there has to be one: nobody asks it */
    struct prober prober = { .resolver = (struct resolver *)(void *)&resolver };
    struct prober_family family = { 0 };
    struct app_target target = { .name = (char[]){ "10.0.0.1:80" } };
    struct endpoint *slots[SLOTS] = { NULL };
    struct prober_app app = {
        .prober = &prober,
        .family = &family,
        .config = { .name = "web", .targets = &target, .target_count = 1 },
        .writer = { .board = make_board(), .slots = slots, .slot_count = SLOTS },
    };
    struct board_detail detail;

    target.address = (struct address){ .family = 4 };
    assert_int_equal(recall_begin(&app), 0);
    assert_non_null(app.recall);
    recall_end(&app);                   /* app.targets is NULL: they could not be made */
    assert_null(app.recall);
    assert_true(board_detail(app.writer.board, 0, &detail));
    assert_int_equal(detail.id, ID);
    board_close(app.writer.board);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_for_the_targets_the_board_stays_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
