#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/shared_text.h"
#include "base/util.h"

static void
it_is_one_text(void **state)
{
    char mine[] = "name = \"web\";";
    struct shared_text *first = shared_text_create(mine), *second = shared_text_ref(first);

    mine[0] = 'x';
    assert_ptr_equal(first, second);
    shared_text_unref(first);
    assert_string_equal(second->bytes, "name = \"web\";");
    shared_text_unref(second);
}

static void
nothing_stays_nothing(void **state)
{
    struct shared_text *empty = shared_text_create("");

    assert_null(shared_text_create(NULL));
    assert_null(shared_text_ref(NULL));
    shared_text_unref(NULL);
    assert_string_equal(empty->bytes, "");
    shared_text_unref(empty);
}

static void *
use(void *text)
{
    for (unsigned i = 0; i < 10000; i++) {
        struct shared_text *mine = shared_text_ref(text);

        if (mine->bytes[0] != 'a')
            break;
        shared_text_unref(mine);
    }
    shared_text_unref(text);
    return NULL;
}

/* The last one frees it, whoever that is: the sanitizers look. */
static void
threads_share_it(void **state)
{
    struct shared_text *text = shared_text_create("a");
    pthread_t threads[4];

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, use, shared_text_ref(text)), 0);
    shared_text_unref(text);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_one_text),
        cmocka_unit_test(nothing_stays_nothing),
        cmocka_unit_test(threads_share_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
