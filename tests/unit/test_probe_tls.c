/* The kinds tls and https: certificates that are good, and each way in which one is not. */
#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "probe_rig.h"
#include "probes/tls_check.h"

enum { DAY = 24 * 3600 };

struct certificate {
    EVP_PKEY *key;
    X509 *x509;
};

static struct certificate authority, other_authority;
static char ca_path[] = "/tmp/test_probe_tls.XXXXXX";

/* What the next target has; its process inherits it. */
static struct certificate shown_by_target;
static bool asks_for_ours;

/* ---- certificates ---- */

static void
add_extension(X509 *x509, const X509 *issuer, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX context;

    X509V3_set_ctx(&context, (X509 *)issuer, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
}

/* For `names` ("DNS:a.example"), or one that may sign others; NULL `issuer`: by itself. */
static struct certificate
make_certificate(const char *name, const char *names, const struct certificate *issuer,
                 long from_s, long to_s)
{
    struct certificate made = { EVP_EC_gen("P-256"), X509_new() };
    const struct certificate *by = issuer == NULL ? &made : issuer;
    static long serial;

    ASN1_INTEGER_set(X509_get_serialNumber(made.x509), ++serial);
    X509_set_version(made.x509, 2);
    X509_gmtime_adj(X509_getm_notBefore(made.x509), from_s);
    X509_gmtime_adj(X509_getm_notAfter(made.x509), to_s);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(made.x509, X509_get_subject_name(by->x509));
    X509_set_pubkey(made.x509, made.key);
    if (names != NULL)
        add_extension(made.x509, by->x509, NID_subject_alt_name, names);
    else
        add_extension(made.x509, by->x509, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(made.x509, by->key, EVP_sha256()) > 0);
    return made;
}

static void
free_certificate(struct certificate *certificate)
{
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
}

/* ---- targets ---- */

static SSL *
shake_hands(int client)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL *tls;

    SSL_CTX_use_certificate(context, shown_by_target.x509);
    SSL_CTX_use_PrivateKey(context, shown_by_target.key);
    if (asks_for_ours)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    tls = SSL_new(context);
    SSL_set_fd(tls, client);
    return SSL_accept(tls) == 1 ? tls : NULL;
}

/* Over TLS; and it tells in another way whether the end was polite. */
static void
serves_https(int client)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready";
    char request[4096];
    SSL *tls = shake_hands(client);

    if (tls == NULL || SSL_read(tls, request, sizeof request) <= 0)
        return;
    SSL_write(tls, answer, sizeof answer - 1);
    rig_drain(client);
}

static int told_by_target[2];

static void
tells_how_it_ended(int client)
{
    SSL *tls = shake_hands(client);
    const char *name = tls == NULL ? NULL : SSL_get_servername(tls, TLSEXT_NAMETYPE_host_name);
    char byte, text[300] = "no handshake";

    if (tls != NULL) {
        int rc = SSL_read(tls, &byte, 1);

        snprintf(text, sizeof text, "%s %s", name == NULL ? "-" : name,
                 SSL_get_error(tls, rc) == SSL_ERROR_ZERO_RETURN ? "close_notify" : "cut off");
    }
    (void)!write(told_by_target[1], text, strlen(text) + 1);
}

static void
says_nothing(int client)
{
    rig_drain(client);
}

static void
speaks_http(int client)
{
    rig_say(client, "HTTP/1.1 400 Bad Request\r\n\r\n");
    rig_drain(client);
}

static void
closes(int client)
{
    char bytes[4096];

    (void)!recv(client, bytes, sizeof bytes, 0);
}

static void
babbles(int client)
{
    char junk[8192];

    memset(junk, 0x16, sizeof junk);
    while (send(client, junk, sizeof junk, MSG_NOSIGNAL) > 0)
        continue;
}

/* ---- the tests ---- */

static struct rig_probe
make_probe(const char *kind)
{
    struct rig_probe probe;

    rig_init(&probe, kind);
    probe.config.timeout_ms = 2000;
    probe.more.texts[PROBE_CA] = ca_path;
    return probe;
}

static struct rig_result
run_with(const struct rig_probe *probe, const char *target, struct certificate certificate,
         rig_serve_fn *serve)
{
    struct rig_result heard;

    shown_by_target = certificate;
    heard = rig_run(probe, target, serve);
    free_certificate(&certificate);
    return heard;
}

static struct certificate
good(void)
{
    return make_certificate("web", "DNS:web.example", &authority, -DAY, 90 * DAY);
}

static void
a_good_certificate_passes(void **state)
{
    struct rig_probe probe = make_probe("https");
    struct rig_result heard;

    probe.more.texts[PROBE_BODY] = (char *)"ready";
    heard = run_with(&probe, "web.example:443", good(), serves_https);
    assert_int_equal(heard.outcome, REASON_OK);
    assert_int_equal(strncmp(heard.detail, "HTTP 200 in ", 12), 0);
    assert_false(heard.warning);
    assert_true(heard.connect_us > 0);
    assert_non_null(strstr(heard.told, "connected |certificate for web.example, expires in "));
    assert_non_null(strstr(heard.told, "TLS handshake done |sent GET / HTTP/1.1\r\n"));
}

static void
a_handshake_is_enough_for_tls(void **state)
{
    struct rig_probe probe = make_probe("tls");
    struct rig_result heard;
    char told[300];

    assert_int_equal(pipe(told_by_target), 0);
    heard = run_with(&probe, "web.example:443", good(), tells_how_it_ended);
    assert_int_equal(heard.outcome, REASON_OK);
    assert_int_equal(strncmp(heard.detail, "TLS handshake in ", 17), 0);
    assert_true(read(told_by_target[0], told, sizeof told) > 0);
    assert_string_equal(told, "web.example close_notify");
    close(told_by_target[0]);
    close(told_by_target[1]);
}

static void
an_address_is_checked_as_one(void **state)
{
    struct rig_probe probe = make_probe("tls");
    struct certificate certificate =
        make_certificate("ip", "IP:127.0.0.1", &authority, -DAY, 90 * DAY);
    struct rig_result heard;
    char told[300];

    assert_int_equal(pipe(told_by_target), 0);
    heard = run_with(&probe, "127.0.0.1:443", certificate, tells_how_it_ended);
    assert_int_equal(heard.outcome, REASON_OK);
    assert_true(read(told_by_target[0], told, sizeof told) > 0);
    assert_string_equal(told, "- close_notify");        /* an address is no SNI */
    close(told_by_target[0]);
    close(told_by_target[1]);
    heard = run_with(&probe, "127.0.0.1:443", good(), serves_https);
    assert_int_equal(heard.outcome, REASON_TLS_HANDSHAKE);
    assert_string_equal(heard.detail, "certificate is for web.example, not for 127.0.0.1");
}

static void
sni_is_the_name_that_counts(void **state)
{
    struct rig_probe probe = make_probe("https");
    struct rig_result heard;
    char why[DETAIL_BYTES];

    probe.more.texts[PROBE_SNI] = (char *)"web.example";
    heard = run_with(&probe, "10.0.0.7:443", good(), serves_https);
    assert_int_equal(heard.outcome, REASON_OK);
    probe.more.texts[PROBE_SNI] = (char *)"web.example/x";
    assert_int_equal(rig_prepare(&probe, why), -EINVAL);
    assert_string_equal(why, "sni \"web.example/x\" is no name of a host");
}

static void
fails(struct certificate certificate, const char *detail)
{
    static const char *const kinds[] = { "https", "tls" };

    for (int i = 0; i < 2; i++) {
        struct rig_probe probe = make_probe(kinds[i]);
        struct rig_result heard;

        shown_by_target = certificate;
        heard = rig_run(&probe, "web.example:443", serves_https);
        assert_int_equal(heard.outcome, REASON_TLS_HANDSHAKE);
        if (strncmp(heard.detail, detail, strlen(detail)) != 0)
            fail_msg("\"%s\" instead of \"%s\"", heard.detail, detail);
    }
    free_certificate(&certificate);
}

static void
a_bad_certificate_is_told_for_what_it_is(void **state)
{
    fails(make_certificate("web", "DNS:web.example", &authority, -90 * DAY, -3 * DAY - 60),
          "certificate expired 3 days ago");
    fails(make_certificate("web", "DNS:web.example", &authority, -90 * DAY, -5 * 3600 - 60),
          "certificate expired 5 hours ago");
    fails(make_certificate("web", "DNS:web.example", &authority, 2 * DAY + 60, 90 * DAY),
          "certificate is valid only in 2 days");
    fails(make_certificate("web", "DNS:a.example,DNS:b.example,DNS:c.example,IP:10.0.0.7",
                           &authority, -DAY, 90 * DAY),
          "certificate is for a.example, b.example and 2 more, not for web.example");
    fails(make_certificate("other.example", NULL, &authority, -DAY, 90 * DAY),
          "certificate is for other.example, not for web.example");
    fails(make_certificate("web", "DNS:web.example", NULL, -DAY, 90 * DAY),
          "certificate is self-signed, and not in `ca`");
    fails(make_certificate("web", "DNS:web.example", &other_authority, -DAY, 90 * DAY),
          "certificate is signed by other authority, whom `ca` does not know");
}

static void
who_does_not_want_it_verified_gets_that(void **state)
{
    struct rig_probe probe = make_probe("https");
    struct rig_result heard;

    probe.more.verify = 0;
    heard = run_with(&probe, "web.example:443",
                     make_certificate("x", "DNS:x", NULL, -90 * DAY, -3 * DAY), serves_https);
    assert_int_equal(heard.outcome, REASON_OK);
    assert_false(heard.warning);
}

static void
one_that_expires_soon_is_a_warning(void **state)
{
    struct rig_probe probe = make_probe("https");
    struct rig_result heard =
        run_with(&probe, "web.example:443",
                 make_certificate("web", "DNS:web.example", &authority, -DAY, 5 * DAY + 60),
                 serves_https);

    assert_int_equal(heard.outcome, REASON_OK);
    assert_true(heard.warning);
    assert_non_null(strstr(heard.detail, " ms; certificate expires in 5 days"));
    probe.more.certificate_warn_ms = 4 * DAY * 1000;
    heard = run_with(&probe, "web.example:443",
                     make_certificate("web", "DNS:web.example", &authority, -DAY, 5 * DAY),
                     serves_https);
    assert_int_equal(heard.outcome, REASON_OK);
    assert_false(heard.warning);
}

static void
a_file_of_ca_must_be_one(void **state)
{
    struct rig_probe probe = make_probe("tls");
    char why[DETAIL_BYTES];

    assert_int_equal(rig_prepare(&probe, why), 0);
    probe.more.texts[PROBE_CA] = (char *)"/nowhere/ca.pem";
    assert_int_equal(rig_prepare(&probe, why), -ENOENT);
    assert_string_equal(why, "the file of `ca` cannot be read: /nowhere/ca.pem: "
                             "No such file or directory");
    probe.more.texts[PROBE_CA] = (char *)"/dev/null";
    assert_int_equal(rig_prepare(&probe, why), -EINVAL);
    assert_string_equal(why, "the file of `ca` has no certificates in PEM: /dev/null");
    probe.more.texts[PROBE_CA] = NULL;          /* the system's */
    assert_int_equal(rig_prepare(&probe, why), 0);
}

static void
write_ca(const struct certificate *certificate)
{
    FILE *file = fopen(ca_path, "w");

    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate->x509), 1);
    fputs(certificate == &authority ? "" : "# another one\n", file);   /* also its size */
    assert_int_equal(fclose(file), 0);
}

static void
a_file_of_ca_may_change(void **state)
{
    struct rig_probe probe = make_probe("tls");
    struct tls_trust *first, *same, *other;
    char why[DETAIL_BYTES];

    assert_int_equal(tls_trust_get(ca_path, &first, why), 0);
    same = tls_trust_renew(tls_trust_ref(first));
    assert_ptr_equal(same, first);
    write_ca(&other_authority);
    other = tls_trust_renew(tls_trust_ref(first));
    assert_ptr_not_equal(other, first);
    assert_int_equal(run_with(&probe, "web.example:443", good(), serves_https).outcome,
                     REASON_TLS_HANDSHAKE);
    assert_int_equal(unlink(ca_path), 0);
    assert_ptr_equal(tls_trust_renew(other), other);
    write_ca(&authority);
    assert_int_equal(run_with(&probe, "web.example:443", good(), serves_https).outcome,
                     REASON_OK);
    tls_trust_put(first);
    tls_trust_put(same);
    tls_trust_put(other);
}

static void
ends(const char *kind, rig_serve_fn *serve, enum reason outcome, const char *detail)
{
    struct rig_probe probe = make_probe(kind);
    struct rig_result heard;

    probe.config.timeout_ms = RIG_TIMEOUT_MS;
    heard = rig_run(&probe, "web.example:443", serve);
    if (heard.outcome != outcome || strncmp(heard.detail, detail, strlen(detail)) != 0)
        fail_msg("%s: %s, instead of %s: %s", reason_name(heard.outcome), heard.detail,
                 reason_name(outcome), detail);
    assert_in_range(heard.took_ms, 0, 5000);
}

static void
bad_targets_end_in_time(void **state)
{
    static const char *const kinds[] = { "https", "tls" };

    for (int i = 0; i < 2; i++) {
        ends(kinds[i], NULL, REASON_CONNECT_REFUSED, "connection refused");
        ends(kinds[i], says_nothing, REASON_TLS_HANDSHAKE,
             "after 0.4 s the TLS handshake is not over");
        ends(kinds[i], speaks_http, REASON_TLS_HANDSHAKE, "it does not speak TLS on this port");
        ends(kinds[i], closes, REASON_TLS_HANDSHAKE, "it closed during the TLS handshake");
        ends(kinds[i], babbles, REASON_TLS_HANDSHAKE, "it does not speak TLS on this port");
    }
}

static void
one_that_wants_our_certificate_is_told(void **state)
{
    struct rig_probe probe = make_probe("https");
    struct rig_result heard;

    asks_for_ours = true;
    heard = run_with(&probe, "web.example:443", good(), serves_https);
    asks_for_ours = false;
    /* With TLS 1.3 our side is through by then: it depends on who is quicker. */
    if (heard.outcome == REASON_TLS_HANDSHAKE)
        assert_string_equal(heard.detail, "TLS handshake: tlsv13 alert certificate required");
    else if (heard.outcome != REASON_SEND_FAILED && heard.outcome != REASON_UNEXPECTED_EOF)
        fail_msg("%s: %s", reason_name(heard.outcome), heard.detail);
}

static int
set_up(void **state)
{
    FILE *file = fdopen(mkstemp(ca_path), "w");

    authority = make_certificate("authority", NULL, NULL, -365 * DAY, 365 * DAY);
    other_authority = make_certificate("other authority", NULL, NULL, -365 * DAY, 365 * DAY);
    return file == NULL || PEM_write_X509(file, authority.x509) != 1 || fclose(file) != 0;
}

static int
tear_down(void **state)
{
    free_certificate(&authority);
    free_certificate(&other_authority);
    return unlink(ca_path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_certificate_passes),
        cmocka_unit_test(a_handshake_is_enough_for_tls),
        cmocka_unit_test(an_address_is_checked_as_one),
        cmocka_unit_test(sni_is_the_name_that_counts),
        cmocka_unit_test(a_bad_certificate_is_told_for_what_it_is),
        cmocka_unit_test(who_does_not_want_it_verified_gets_that),
        cmocka_unit_test(one_that_expires_soon_is_a_warning),
        cmocka_unit_test(a_file_of_ca_must_be_one),
        cmocka_unit_test(a_file_of_ca_may_change),
        cmocka_unit_test(bad_targets_end_in_time),
        cmocka_unit_test(one_that_wants_our_certificate_is_told),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
