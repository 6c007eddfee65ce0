/* What a file of `ca` may hold, and what is told of one that is damaged. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "proxy/commands/pem.h"

/* As `openssl req -x509 -newkey ec` made it; the tests look at its form alone. */
static const char certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbzCCARWgAwIBAgIUQbdIGfVHFTD2OHQYGu3z+WOdUdQwCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBdDAgFw0yNjExMjYxOTQwNTdaGA8yMTI2MTEwMjE5NDA1N1ow\n"
    "DDEKMAgGA1UEAwwBdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCATW8bmbuw4\n"
    "noaL37IJ9NqUOhDgdfm4sD+5mmVhndPRKpWl2I1Ciucq0OtRBjtxAMLK0/W9y9LP\n"
    "Aq9IHAA8JnCjUzBRMB0GA1UdDgQWBBToShT6DSD415TZFYwUFSOAoJXnzzAfBgNV\n"
    "HSMEGDAWgBToShT6DSD415TZFYwUFSOAoJXnzzAPBgNVHRMBAf8EBTADAQH/MAoG\n"
    "CCqGSM49BAMCA0gAMEUCIDOLOGoLVr6n531a8plcxjRTof2mIoTha3D60PwaZ2sp\n"
    "AiEA8p6ZnoQVx8yhzJWazzGPd8QdCZ4EQ+9Cq0ocXCfM6yc=\n"
    "-----END CERTIFICATE-----\n";

#define KEY "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n"

/* The number, or the line of what is wrong as a negative number. */
static int
count(const char *text, size_t length)
{
    unsigned line = 0;
    int rc = pem_count(text, length, &line);

    assert_true(rc >= 0 || rc == -EINVAL);
    return rc >= 0 ? rc : -(int)line;
}

static int
count_text(const char *text)
{
    return count(text, strlen(text));
}

static void
certificates_are_counted(void **state)
{
    char text[4096];

    assert_int_equal(count_text(certificate), 1);
    snprintf(text, sizeof text, "# ours\n%s\n" KEY "some words\n%s", certificate, certificate);
    assert_int_equal(count_text(text), 2);
    /* A file of Windows, and one that ends without an end of line. */
    snprintf(text, sizeof text, "%.27s\r\n%s", certificate, certificate + 28);
    assert_int_equal(count_text(text), 1);
    assert_int_equal(count(certificate, strlen(certificate) - 1), 1);
    /* OpenSSL passes over spaces as well. */
    assert_int_equal(count_text("-----BEGIN CERTIFICATE-----\n MAY wADA\tAAwA=\n"
                                "-----END CERTIFICATE-----\n"), 1);
}

static void
other_things_are_none(void **state)
{
    assert_int_equal(count_text(""), 0);
    assert_int_equal(count_text("certificate\n"), 0);
    assert_int_equal(count_text(KEY), 0);
    assert_int_equal(count("\0\n\0", 3), 0);
}

static void
what_is_damaged_is_told_with_its_line(void **state)
{
    char text[4096];
    size_t middle = strlen(certificate) / 2;

    /* Cut off, wherever that is; the last byte is an end of line. */
    for (size_t length = 28; length < strlen(certificate) - 1; length++)
        assert_int_equal(count(certificate, length), -1);
    /* A letter is missing, or is none. */
    snprintf(text, sizeof text, "%.*s%s", (int)middle, certificate, certificate + middle + 4);
    assert_int_equal(count_text(text), -1);
    snprintf(text, sizeof text, "one\n%s", certificate);
    text[middle] = '!';
    assert_int_equal(count_text(text), -2);
    snprintf(text, sizeof text, "%s\n\n%.*s", certificate, (int)middle, certificate);
    assert_int_equal(count_text(text), -13);
}

static void
what_is_no_certificate_inside_is_told(void **state)
{
    static const char *const inside[] = { "", "AAAA", "MAA=", "MAIwAA==", "MIT/////", "====" };
    char text[256];

    for (size_t i = 0; i < ARRAY_SIZE(inside); i++) {
        snprintf(text, sizeof text,
                 "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n", inside[i]);
        assert_int_equal(count_text(text), -1);
    }
    /* The smallest that has the three parts. */
    assert_int_equal(count_text("-----BEGIN CERTIFICATE-----\nMAYwADAAAwA=\n"
                                "-----END CERTIFICATE-----\n"), 1);
    assert_int_equal(count_text("-----BEGIN CERTIFICATE-----\nMAYwADAAAwA=\n"
                                "-----END X509 CRL-----\n"), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_are_counted),
        cmocka_unit_test(other_things_are_none),
        cmocka_unit_test(what_is_damaged_is_told_with_its_line),
        cmocka_unit_test(what_is_no_certificate_inside_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
