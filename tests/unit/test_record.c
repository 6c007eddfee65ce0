#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/record.h"

#define FILLED(field) memset((field), 'x', sizeof(field))

static void
every_kind_with_empty_texts_is_right(void **state)
{
    for (uint32_t kind = RECORD_TRANSITION; kind < RECORD_KINDS; kind++) {
        const struct record record = { .kind = kind };

        assert_int_equal(record_check(&record), 0);
    }
}

static void
an_unknown_kind_is_refused(void **state)
{
    const uint32_t kinds[] = { 0, RECORD_KINDS, RECORD_KINDS + 1, UINT32_MAX };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct record record = { .kind = kinds[i] };

        assert_int_equal(record_check(&record), -EPROTO);
    }
}

static void
a_common_text_without_an_end_is_refused(void **state)
{
    struct record record = { .kind = RECORD_ENDPOINT_GONE };

    FILLED(record.app);
    assert_int_equal(record_check(&record), -EPROTO);
    record.app[0] = '\0';
    FILLED(record.target);
    assert_int_equal(record_check(&record), -EPROTO);
    record.target[0] = '\0';
    FILLED(record.address);
    assert_int_equal(record_check(&record), -EPROTO);
    record.address[sizeof record.address - 1] = '\0';
    assert_int_equal(record_check(&record), 0);
}

static void
a_text_of_the_kind_without_an_end_is_refused(void **state)
{
    struct record transition = { .kind = RECORD_TRANSITION };
    struct record endpoint = { .kind = RECORD_ENDPOINT };
    struct record result = { .kind = RECORD_PROBE_RESULT };
    struct record summary = { .kind = RECORD_PROBE_SUMMARY };
    struct record dns = { .kind = RECORD_DNS };
    struct record event = { .kind = RECORD_EVENT };

    FILLED(transition.of.transition.detail);
    FILLED(endpoint.of.endpoint.reason);
    FILLED(result.of.result.outcome);
    FILLED(summary.of.summary.probe);
    FILLED(dns.of.dns.status);
    FILLED(event.of.event.fields);
    assert_int_equal(record_check(&transition), -EPROTO);
    assert_int_equal(record_check(&endpoint), -EPROTO);
    assert_int_equal(record_check(&result), -EPROTO);
    assert_int_equal(record_check(&summary), -EPROTO);
    assert_int_equal(record_check(&dns), -EPROTO);
    assert_int_equal(record_check(&event), -EPROTO);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_with_empty_texts_is_right),
        cmocka_unit_test(an_unknown_kind_is_refused),
        cmocka_unit_test(a_common_text_without_an_end_is_refused),
        cmocka_unit_test(a_text_of_the_kind_without_an_end_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
