/* What a probe says and hears, fed in pieces. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "probes/dialog.h"

static struct app_step list[4];
static struct app_steps steps;
static struct dialog *dialog;
static struct dialog_run run;

static void
begin(const struct app_step *from, uint32_t count)
{
    memcpy(list, from, count * sizeof *from);
    steps = (struct app_steps){ list, count };
    assert_int_equal(dialog_create(&steps, &dialog), 0);
    assert_int_equal(dialog_begin(&run, dialog), 0);
}

static void
end(void)
{
    dialog_end(&run);
    dialog_destroy(dialog);
}

static struct app_step
step(enum app_step_kind kind, const char *bytes)
{
    return (struct app_step){ .kind = kind, .length = (uint32_t)strlen(bytes),
                              .bytes = (char *)(uintptr_t)bytes };     /* is not written to */
}

static void
hear(const char *bytes, size_t count)
{
    size_t room;
    char *to = dialog_room(&run, &room);

    assert_true(count <= room);
    memcpy(to, bytes, count);
    dialog_heard(&run, count);
}

static void
nothing_to_say_is_no_dialog(void **state)
{
    steps = (struct app_steps){ 0 };
    assert_int_equal(dialog_create(&steps, &dialog), 0);
    assert_null(dialog);
    dialog_destroy(dialog);
}

static void
what_is_sent_goes_in_pieces(void **state)
{
    const struct app_step said[] = { step(STEP_SEND, "PING\r\n"), step(STEP_EXPECT, "+PONG") };
    size_t bytes;

    begin(said, 2);
    assert_int_equal(dialog_want(&run), DIALOG_SEND);
    assert_memory_equal(dialog_to_send(&run, &bytes), "PING\r\n", 6);
    assert_int_equal(bytes, 6);
    dialog_sent(&run, 4);
    assert_int_equal(dialog_want(&run), DIALOG_SEND);
    assert_memory_equal(dialog_to_send(&run, &bytes), "\r\n", 2);
    assert_int_equal(bytes, 2);
    dialog_sent(&run, 2);
    assert_int_equal(dialog_want(&run), DIALOG_HEAR);
    hear("+PO", 3);
    assert_int_equal(dialog_want(&run), DIALOG_HEAR);
    hear("NG\r\n", 4);
    assert_int_equal(dialog_want(&run), DIALOG_DONE);
    end();
}

/* But what was heard before something was said does not answer it. */
static void
one_packet_may_answer_several_steps(void **state)
{
    const struct app_step said[] = { step(STEP_EXPECT, "220"), step(STEP_SEND, "QUIT\r\n"),
                                     step(STEP_EXPECT_REGEX, "(^|\n)221"),
                                     step(STEP_EXPECT, "bye") };

    begin(said, 4);
    hear("220 mx221.example\r\n221 bye\r\n", 28);
    assert_int_equal(dialog_want(&run), DIALOG_SEND);
    dialog_sent(&run, 6);
    assert_int_equal(dialog_want(&run), DIALOG_HEAR);
    assert_int_equal(run.held, 0);
    hear("221 bye\r\n", 9);
    assert_int_equal(dialog_want(&run), DIALOG_DONE);
    end();
}

/* Each piece is looked at together with all before it. */
static void
who_drips_for_ever_is_a_mismatch(void **state)
{
    const struct app_step said[] = { step(STEP_EXPECT_REGEX, "a.*b") };
    int pieces = 0;

    begin(said, 1);
    for (; dialog_want(&run) == DIALOG_HEAR; pieces++)
        hear("a", 1);
    assert_int_equal(dialog_want(&run), DIALOG_MISMATCH);
    assert_int_equal(pieces, DIALOG_PIECES_MAX);
    end();
}

/* What was matched is used up. */
static void
a_match_does_not_serve_twice(void **state)
{
    const struct app_step said[] = { step(STEP_EXPECT, "ab"), step(STEP_EXPECT, "ab") };

    begin(said, 2);
    hear("xab", 3);
    assert_int_equal(dialog_want(&run), DIALOG_HEAR);
    hear("a", 1);
    hear("b", 1);
    assert_int_equal(dialog_want(&run), DIALOG_DONE);
    end();
}

static void
zeros_are_bytes_like_others(void **state)
{
    static char zeros[] = { 0, 10 };
    const struct app_step said[] = { { STEP_EXPECT, 2, zeros },
                                     step(STEP_EXPECT_REGEX, "5\\.[0-9]") };

    begin(said, 2);
    hear("J\0\0\0\0", 5);
    assert_int_equal(dialog_want(&run), DIALOG_HEAR);
    hear("\n\0005.7", 5);           /* after the ten a zero, then the version */
    assert_int_equal(dialog_want(&run), DIALOG_DONE);
    end();
}

static void
a_pattern_that_matches_nothing_needs_something(void **state)
{
    const struct app_step said[] = { step(STEP_EXPECT_REGEX, "x*") };

    begin(said, 1);
    assert_int_equal(dialog_want(&run), DIALOG_HEAR);
    hear("a", 1);
    assert_int_equal(dialog_want(&run), DIALOG_DONE);
    end();
}

static void
who_talks_on_is_a_mismatch(void **state)
{
    const struct app_step said[] = { step(STEP_EXPECT, "never") };
    char junk[DIALOG_BYTES_MAX];
    size_t room, heard = 0;

    begin(said, 1);
    memset(junk, 'n', sizeof junk);
    while (dialog_want(&run) == DIALOG_HEAR) {
        dialog_room(&run, &room);
        hear(junk, MIN(room, (size_t)1000));
        heard += MIN(room, (size_t)1000);
    }
    assert_int_equal(dialog_want(&run), DIALOG_MISMATCH);
    assert_int_equal(heard, DIALOG_BYTES_MAX);
    end();
}

static void
the_message_says_what_is_missing(void **state)
{
    const struct app_step said[] = { step(STEP_EXPECT, "+PONG") };
    char text[128], small[24];

    begin(said, 1);
    assert_string_equal(dialog_lacks(&run, text, sizeof text),
                        "expected \"+PONG\", heard nothing");
    hear("-ERR \"no\"\r\n\1\377", 13);
    assert_string_equal(dialog_lacks(&run, text, sizeof text),
                        "expected \"+PONG\", heard \"-ERR \\\"no\\\"\\r\\n\\001\\377\"");
    dialog_lacks(&run, small, sizeof small);
    assert_int_equal(strlen(small), sizeof small - 1);
    end();
}

static void
a_broken_pattern_is_refused(void **state)
{
    struct app_step said = step(STEP_EXPECT_REGEX, "(");

    steps = (struct app_steps){ &said, 1 };
    assert_int_equal(dialog_create(&steps, &dialog), -EINVAL);
    assert_null(dialog);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_say_is_no_dialog),
        cmocka_unit_test(what_is_sent_goes_in_pieces),
        cmocka_unit_test(one_packet_may_answer_several_steps),
        cmocka_unit_test(who_drips_for_ever_is_a_mismatch),
        cmocka_unit_test(a_match_does_not_serve_twice),
        cmocka_unit_test(zeros_are_bytes_like_others),
        cmocka_unit_test(a_pattern_that_matches_nothing_needs_something),
        cmocka_unit_test(who_talks_on_is_a_mismatch),
        cmocka_unit_test(the_message_says_what_is_missing),
        cmocka_unit_test(a_broken_pattern_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
