/* What is asked of a DNS server, and what its answer is worth. */
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "probes/dns_question.h"

enum { ID = 0x1234, A = 1, CNAME = 5, AAAA = 28 };

/* An answer in the making. */
struct packet {
    unsigned char bytes[2048];
    size_t length;
};

static void
put(struct packet *packet, const void *bytes, size_t count)
{
    assert_true(packet->length + count <= sizeof packet->bytes);
    memcpy(packet->bytes + packet->length, bytes, count);
    packet->length += count;
}

static void
put_number(struct packet *packet, unsigned value)
{
    const unsigned char bytes[] = { (unsigned char)(value >> 8), (unsigned char)value };

    put(packet, bytes, sizeof bytes);
}

/* Labels in octal, as "\3www\7example". */
#define NAME(labels) labels, sizeof labels

static void
begin(struct packet *packet, unsigned flags, unsigned answers)
{
    packet->length = 0;
    put_number(packet, ID);
    put_number(packet, 0x8180 | flags);
    put_number(packet, 1);
    put_number(packet, answers);
    put_number(packet, 0);
    put_number(packet, 0);
    put(packet, NAME("\3WWW\7example"));         /* in whatever case */
    put_number(packet, A);
    put_number(packet, 1);
}

static void
put_record(struct packet *packet, const void *owner, size_t owner_bytes, unsigned type,
           const void *data, size_t data_bytes)
{
    put(packet, owner, owner_bytes);
    put_number(packet, type);
    put_number(packet, 1);
    put_number(packet, 0);
    put_number(packet, 60);
    put_number(packet, (unsigned)data_bytes);
    put(packet, data, data_bytes);
}

static struct dns_verdict
judge(const struct packet *packet)
{
    struct dns_question question;
    struct dns_verdict verdict;

    assert_int_equal(dns_question_make("www.example", "A", &question), 0);
    dns_question_judge(&question, ID, packet->bytes, packet->length, &verdict);
    return verdict;
}

static void
a_question_is_as_in_the_rfc(void **state)
{
    static const unsigned char expected[] = { 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0,
                                              3, 'w', 'w', 'w', 7, 'e', 'x', 'a', 'm', 'p', 'l',
                                              'e', 0, 0, 33, 0, 1 };
    struct dns_question question;

    assert_int_equal(dns_question_make("www.example.", "SRV", &question), 0);
    assert_int_equal(question.bytes, sizeof expected);
    assert_memory_equal(question.packet, expected, sizeof expected);
    assert_int_equal(dns_question_make(".", "NS", &question), 0);
    assert_int_equal(question.bytes, 12 + 1 + 4);
}

static void
what_is_no_name_cannot_be_asked(void **state)
{
    char name[300], label[65];
    struct dns_question question;

    memset(label, 'a', sizeof label);
    label[64] = '\0';
    assert_int_equal(dns_question_make("a..b", "A", &question), -EINVAL);
    assert_int_equal(dns_question_make(".a", "A", &question), -EINVAL);
    assert_int_equal(dns_question_make(label, "A", &question), -EINVAL);
    assert_int_equal(dns_question_make("a.b", "HINFO", &question), -EINVAL);
    assert_int_equal(dns_question_make(label + 1, "A", &question), 0);
    snprintf(name, sizeof name, "%s.%s.%s.%s", label + 1, label + 1, label + 1, label + 3);
    assert_int_equal(dns_question_make(name, "A", &question), 0);       /* 253 */
    assert_int_equal(question.bytes, DNS_QUESTION_BYTES);
    snprintf(name, sizeof name, "%s.%s.%s.%s", label + 1, label + 1, label + 1, label + 2);
    assert_int_equal(dns_question_make(name, "A", &question), -EINVAL);
}

static void
records_of_the_type_pass(void **state)
{
    struct packet packet;
    struct dns_verdict verdict;

    begin(&packet, 0, 3);
    put_record(&packet, "\xc0\x0c", 2, A, "\x0a\0\0\1", 4);
    put_record(&packet, NAME("\3www\7EXAMPLE"), A, "\x0a\0\0\2", 4);
    put_record(&packet, NAME("\5other\7example"), A, "\x0a\0\0\3", 4);
    verdict = judge(&packet);
    assert_int_equal(verdict.reason, REASON_OK);
    assert_int_equal(verdict.records, 2);
}

static void
cnames_are_followed_in_any_order(void **state)
{
    struct packet packet;

    begin(&packet, 0, 3);
    put_record(&packet, NAME("\1b\7example"), A, "\x0a\0\0\1", 4);
    put_record(&packet, NAME("\1a\7example"), CNAME, "\1b\xc0\x10", 4);
    put_record(&packet, "\xc0\x0c", 2, CNAME, "\1a\xc0\x10", 4);
    assert_int_equal(judge(&packet).reason, REASON_OK);
    assert_int_equal(judge(&packet).records, 1);
}

static void
an_answer_without_the_record_is_empty(void **state)
{
    struct packet packet;

    begin(&packet, 0, 0);
    assert_int_equal(judge(&packet).reason, REASON_DNS_EMPTY);
    begin(&packet, 0, 1);
    put_record(&packet, "\xc0\x0c", 2, AAAA, "0123456789abcdef", 16);
    assert_int_equal(judge(&packet).reason, REASON_DNS_EMPTY);
    begin(&packet, 0, 1);               /* a chain that leads out of the answer */
    put_record(&packet, "\xc0\x0c", 2, CNAME, "\1a\xc0\x10", 4);
    assert_int_equal(judge(&packet).reason, REASON_DNS_EMPTY);
    begin(&packet, 0, 1);               /* and one in a circle */
    put_record(&packet, "\xc0\x0c", 2, CNAME, "\xc0\x0c", 2);
    assert_int_equal(judge(&packet).reason, REASON_DNS_EMPTY);
    assert_string_equal(judge(&packet).what, "its CNAMEs have no end");
}

static void
errors_have_their_reasons(void **state)
{
    struct packet packet;

    begin(&packet, 3, 0);
    assert_int_equal(judge(&packet).reason, REASON_DNS_NXDOMAIN);
    begin(&packet, 2, 0);
    assert_int_equal(judge(&packet).reason, REASON_DNS_SERVFAIL);
    begin(&packet, 5, 0);
    assert_int_equal(judge(&packet).reason, REASON_DNS_SERVFAIL);
    assert_string_equal(judge(&packet).what, "REFUSED");
    packet.length = 12;                 /* some say no more than that */
    packet.bytes[5] = 0;
    assert_int_equal(judge(&packet).reason, REASON_DNS_SERVFAIL);
    begin(&packet, 15, 0);
    assert_string_equal(judge(&packet).what, "an unknown error");
}

static void
what_was_cut_is_to_be_asked_over_tcp(void **state)
{
    struct packet packet;

    begin(&packet, 0x200, 9);
    assert_true(judge(&packet).truncated);
    packet.bytes[0] ^= 1;
    assert_false(judge(&packet).truncated);
}

static void
what_answers_another_question_is_not_ours(void **state)
{
    struct packet packet;

    for (size_t at = 0; at < 29; at++) {
        if (at >= 3 && at <= 11 && at != 5)
            continue;                   /* of the header only id, direction, questions */
        begin(&packet, 0, 1);
        put_record(&packet, "\xc0\x0c", 2, A, "\x0a\0\0\1", 4);
        packet.bytes[at] ^= at == 2 ? 0x80 : 0x01;
        assert_int_equal(judge(&packet).reason, REASON_MISMATCH);
        assert_false(judge(&packet).ours);
    }
}

/* Pointers to themselves, to each other, ahead, outside; and each shorter packet. */
static void
what_cannot_be_read_is_a_mismatch(void **state)
{
    static const char *const owners[] = { "\xc0\x1d", "\xc0\x1f", "\xff\xff", "\x80\x0c" };
    struct packet packet;
    size_t whole;

    for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
        begin(&packet, 0, 1);
        assert_int_equal(packet.length, 0x1d);
        put_record(&packet, owners[i], 2, A, "\x0a\0\0\1", 4);
        assert_int_equal(judge(&packet).reason, REASON_MISMATCH);
        assert_true(judge(&packet).ours);
    }
    begin(&packet, 0, 1);               /* a label, then back to it: longer and longer */
    put_record(&packet, "\1a\xc0\x1d", 4, A, "\x0a\0\0\1", 4);
    assert_int_equal(judge(&packet).reason, REASON_MISMATCH);
    begin(&packet, 0, 1);
    put_record(&packet, "\xc0\x0c", 2, A, "\x0a\0\0\1", 4);
    whole = packet.length;
    for (packet.length = 0; packet.length < whole; packet.length++)
        assert_int_equal(judge(&packet).reason, REASON_MISMATCH);
    assert_int_equal(judge(&packet).reason, REASON_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_as_in_the_rfc),
        cmocka_unit_test(what_is_no_name_cannot_be_asked),
        cmocka_unit_test(records_of_the_type_pass),
        cmocka_unit_test(cnames_are_followed_in_any_order),
        cmocka_unit_test(an_answer_without_the_record_is_empty),
        cmocka_unit_test(errors_have_their_reasons),
        cmocka_unit_test(what_was_cut_is_to_be_asked_over_tcp),
        cmocka_unit_test(what_answers_another_question_is_not_ours),
        cmocka_unit_test(what_cannot_be_read_is_a_mismatch),
    };

    return cmocka_run_group_tests_name("dns_question", tests, NULL, NULL);
}
