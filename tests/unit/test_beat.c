/* Every board gets beats as long as its app is there, and only the one that the app has. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "probes/beat.h"
#include "probes/prober_priv.h"

enum { APPS = 40 };                     /* more than there is room for at first */

struct fixture {
    struct prober prober;
    struct prober_app apps[APPS];
};

static struct board *
make_board(void)
{
    int fd = memfd_create("board", MFD_CLOEXEC);
    struct board *board;

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)board_bytes(1)), 0);
    assert_int_equal(board_format(fd, "web", 1, 1, 1), 0);
    assert_int_equal(board_open(fd, true, &board), 0);
    close(fd);
    return board;
}

static void
on_flush(evutil_socket_t fd, short what, void *context)
{
}

static int
set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    fixture->prober.base = event_base_new();
    for (int i = 0; i < APPS; i++) {
        struct prober_app *app = &fixture->apps[i];

        app->prober = &fixture->prober;
        app->writer.board = make_board();
        event_assign(&app->writer.flush, fixture->prober.base, -1, 0, on_flush, app);
        assert_int_equal(beat_join(app), 0);
    }
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < APPS; i++) {
        event_del(&fixture->apps[i].writer.flush);
        board_close(fixture->apps[i].writer.board);
    }
    free(fixture->prober.beats.list);
    event_base_free(fixture->prober.base);
    free(fixture);
    return 0;
}

static uint64_t
beat_of(const struct prober_app *app)
{
    return board_beat_ms(app->writer.board);
}

static void
all_boards_get_the_beat_and_how_late_probes_are(void **state)
{
    struct fixture *fixture = *state;
    struct board_lag lag;

    fixture->prober.lag_shown = (struct board_lag){ .p50_ms = 3, .probes = 9 };
    beat_all(&fixture->prober, 1000);
    for (int i = 0; i < APPS; i++) {
        assert_int_equal(beat_of(&fixture->apps[i]), 1000);
        board_lag(fixture->apps[i].writer.board, &lag);
        assert_int_equal(lag.p50_ms, 3);
        assert_int_equal(lag.probes, 9);
    }
}

static void
who_left_gets_none_and_the_others_go_on(void **state)
{
    static const int order[] = { APPS - 1, 0, 5, APPS - 2, 7 };
    struct fixture *fixture = *state;
    bool left[APPS] = { false };

    for (uint64_t now_ms = 1; now_ms <= 5; now_ms++) {
        int gone = order[now_ms - 1];
        uint64_t last = beat_of(&fixture->apps[gone]);

        beat_leave(&fixture->apps[gone]);
        left[gone] = true;
        beat_all(&fixture->prober, now_ms);
        assert_int_equal(beat_of(&fixture->apps[gone]), last);
        for (int i = 0; i < APPS; i++)
            assert_true(left[i] || beat_of(&fixture->apps[i]) == now_ms);
    }
    assert_int_equal(beat_join(&fixture->apps[7]), 0);
    beat_all(&fixture->prober, 6);
    assert_int_equal(beat_of(&fixture->apps[7]), 6);
}

static void
another_board_takes_the_place_of_the_former(void **state)
{
    struct fixture *fixture = *state;
    struct board *former = fixture->apps[3].writer.board;

    beat_all(&fixture->prober, 1);
    fixture->apps[3].writer.board = make_board();
    beat_move(&fixture->apps[3]);
    beat_all(&fixture->prober, 2);
    assert_int_equal(board_beat_ms(former), 1);
    assert_int_equal(beat_of(&fixture->apps[3]), 2);
    board_close(former);
}

static void
only_who_wants_it_is_reviewed(void **state)
{
    struct fixture *fixture = *state;

    beat_review(&fixture->apps[1], true);
    beat_review(&fixture->apps[APPS - 1], true);
    beat_review(&fixture->apps[2], true);
    beat_review(&fixture->apps[2], false);
    beat_leave(&fixture->apps[0]);      /* the last one has its place now */
    beat_all(&fixture->prober, 1);
    for (int i = 0; i < APPS; i++)
        assert_int_equal(event_pending(&fixture->apps[i].writer.flush, EV_TIMEOUT, NULL) != 0,
                         i == 1 || i == APPS - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_boards_get_the_beat_and_how_late_probes_are, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_left_gets_none_and_the_others_go_on, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(another_board_takes_the_place_of_the_former, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(only_who_wants_it_is_reviewed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
