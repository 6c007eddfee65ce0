#include "probes/tls_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/util.h"
#include "probes/probe.h"
#include "probes/shown.h"

enum { DAY_S = 24 * 3600, NAMES_SHOWN = 2 };

struct tls_trust {
    LIST_ENTRY(tls_trust) link;
    X509_STORE *store;          /* owned */
    unsigned users;
    struct timespec changed_at; /* of the file, to see whether it is another one by now */
    ino_t inode;
    off_t bytes;
    char path[];                /* "": the system's */
};

static LIST_HEAD(, tls_trust) trusts = LIST_HEAD_INITIALIZER(trusts);

/* ---- whom we trust ---- */

/* All zero for what is no file, as that of the system is none. */
static void
look_at(const char *path, struct tls_trust *trust)
{
    struct stat file = { 0 };

    if (path[0] != '\0' && stat(path, &file) < 0)
        memset(&file, 0, sizeof file);
    trust->changed_at = file.st_mtim;
    trust->inode = file.st_ino;
    trust->bytes = file.st_size;
}

static bool
is_same_file(const struct tls_trust *a, const struct tls_trust *b)
{
    return a->inode == b->inode && a->bytes == b->bytes &&
           a->changed_at.tv_sec == b->changed_at.tv_sec &&
           a->changed_at.tv_nsec == b->changed_at.tv_nsec;
}

static int
fill(X509_STORE *store, const char *path, char *why)
{
    /* A certificate in the file is trusted itself, whoever signed it. */
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    if (path[0] == '\0') {
        X509_STORE_set_default_paths(store);    /* what is missing there shows in the check */
        return 0;
    }
    if (access(path, R_OK) < 0) {
        int error = errno;

        snprintf(why, DETAIL_BYTES, "the file of `ca` cannot be read: %s: %s", path,
                 strerror(error));
        return -error;
    }
    if (X509_STORE_load_file(store, path) == 1)
        return 0;
    ERR_clear_error();
    snprintf(why, DETAIL_BYTES, "the file of `ca` has no certificates in PEM: %s", path);
    return -EINVAL;
}

static int
make(const char *path, struct tls_trust **made, char *why)
{
    struct tls_trust *trust = malloc(sizeof *trust + strlen(path) + 1);
    int rc = -ENOMEM;

    snprintf(why, DETAIL_BYTES, "no memory");
    if (trust == NULL)
        return rc;
    trust->users = 0;
    strcpy(trust->path, path);
    look_at(path, trust);       /* first: what changes meanwhile is another one */
    trust->store = X509_STORE_new();
    if (trust->store != NULL)
        rc = fill(trust->store, path, why);
    if (rc < 0) {
        X509_STORE_free(trust->store);
        free(trust);
        return rc;
    }
    LIST_INSERT_HEAD(&trusts, trust, link);
    *made = trust;
    return 0;
}

int
tls_trust_get(const char *path, struct tls_trust **found, char *why)
{
    struct tls_trust *trust, now;
    int rc = 0;

    path = path == NULL ? "" : path;
    look_at(path, &now);
    LIST_FOREACH (trust, &trusts, link) {
        if (strcmp(trust->path, path) == 0 && is_same_file(trust, &now))
            break;
    }
    if (trust == NULL)
        rc = make(path, &trust, why);
    if (rc < 0)
        return rc;
    trust->users++;
    *found = trust;
    return 0;
}

struct tls_trust *
tls_trust_ref(struct tls_trust *trust)
{
    if (trust != NULL)
        trust->users++;
    return trust;
}

struct tls_trust *
tls_trust_renew(struct tls_trust *trust)
{
    struct tls_trust *newer, now;
    char why[DETAIL_BYTES];

    if (trust == NULL)
        return NULL;
    look_at(trust->path, &now);
    if (is_same_file(trust, &now) || tls_trust_get(trust->path, &newer, why) < 0)
        return trust;
    tls_trust_put(trust);
    return newer;
}

void
tls_trust_put(struct tls_trust *trust)
{
    if (trust == NULL || --trust->users > 0)
        return;
    LIST_REMOVE(trust, link);
    X509_STORE_free(trust->store);
    free(trust);
}

/* ---- what is said of it ---- */

/* "3 days", of what lies between two times, whichever is the later one. */
static const char *
span(int days, int seconds, char text[32])
{
    days = abs(days);
    seconds = abs(seconds);
    if (days > 0)
        snprintf(text, 32, "%d day%s", days, days == 1 ? "" : "s");
    else if (seconds >= 2 * 3600)
        snprintf(text, 32, "%d hours", seconds / 3600);
    else if (seconds >= 2 * 60)
        snprintf(text, 32, "%d minutes", seconds / 60);
    else
        snprintf(text, 32, "%d s", seconds);
    return text;
}

static const char *
span_to(const ASN1_TIME *time, char text[32])
{
    int days = 0, seconds = 0;

    ASN1_TIME_diff(&days, &seconds, NULL, time);
    return span(days, seconds, text);
}

static const char *
common_name(const X509_NAME *name, char text[SHOWN_CHARACTERS])
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    const ASN1_STRING *value =
        at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));

    if (value == NULL)
        return "one without a name";
    return shown(text, ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
}

/* One of its alternative names; false where it is of another sort. */
static bool
alternative_name(const GENERAL_NAME *name, char text[SHOWN_CHARACTERS])
{
    int type, length;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);

    if (type != GEN_DNS && type != GEN_IPADD)
        return false;
    length = ASN1_STRING_length(value);
    if (type == GEN_DNS)
        shown(text, ASN1_STRING_get0_data(value), (size_t)length);
    else if (length == 4 || length == 16)
        inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), text,
                  SHOWN_CHARACTERS);
    else
        return false;
    return true;
}

/* "a.example, b.example and 3 more": what a certificate is for. */
static void
names_of(const X509 *certificate, char *text, size_t text_bytes)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    char one[SHOWN_CHARACTERS];
    int count = 0;
    size_t at = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        if (!alternative_name(sk_GENERAL_NAME_value(names, i), one) || count++ >= NAMES_SHOWN)
            continue;
        at += (size_t)snprintf(text + at, text_bytes - at, "%s%s", count > 1 ? ", " : "", one);
        at = MIN(at, text_bytes - 1);
    }
    if (count == 0)             /* of no use without them; it says at least whose it is */
        snprintf(text, text_bytes, "%s", common_name(X509_get_subject_name(certificate), one));
    else if (count > NAMES_SHOWN)
        snprintf(text + at, text_bytes - at, " and %d more", count - NAMES_SHOWN);
    GENERAL_NAMES_free(names);
}

static void
describe_names(struct tls_check *check, X509_STORE_CTX *chain)
{
    char names[2 * SHOWN_CHARACTERS + 32], wanted[SHOWN_CHARACTERS];

    names_of(X509_STORE_CTX_get0_cert(chain), names, sizeof names);
    snprintf(check->detail, sizeof check->detail, "certificate is for %.80s, not for %s", names,
             shown(wanted, check->name, strlen(check->name)));
}

static void
describe(struct tls_check *check, X509_STORE_CTX *chain)
{
    int error = X509_STORE_CTX_get_error(chain);
    const X509 *certificate = X509_STORE_CTX_get_current_cert(chain);
    const char *whose = X509_STORE_CTX_get_error_depth(chain) > 0 ? "'s issuer" : "";
    char *detail = check->detail, text[SHOWN_CHARACTERS];

    if (certificate == NULL)
        error = X509_V_ERR_UNSPECIFIED;
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        snprintf(detail, DETAIL_BYTES, "certificate%s expired %s ago", whose,
                 span_to(X509_get0_notAfter(certificate), text));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        snprintf(detail, DETAIL_BYTES, "certificate%s is valid only in %s", whose,
                 span_to(X509_get0_notBefore(certificate), text));
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        describe_names(check, chain);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        snprintf(detail, DETAIL_BYTES, "certificate is self-signed, and not in `ca`");
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        snprintf(detail, DETAIL_BYTES, "certificate is signed by %s, whom `ca` does not know",
                 common_name(X509_get_issuer_name(certificate), text));
        break;
    default:
        snprintf(detail, DETAIL_BYTES, "certificate: %s", X509_verify_cert_error_string(error));
    }
}

/* ---- the check ---- */

static void
tell(const struct tls_check *check, X509_STORE_CTX *chain)
{
    const X509 *certificate = X509_STORE_CTX_get0_cert(chain);
    char names[2 * SHOWN_CHARACTERS + 32], left[SHOWN_CHARACTERS], text[256];
    bool over;

    if (check->probe->trace == NULL || certificate == NULL)
        return;
    names_of(certificate, names, sizeof names);
    over = X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0;
    snprintf(text, sizeof text, "for %s, %s %s%s", names, over ? "expired" : "expires in",
             span_to(X509_get0_notAfter(certificate), left), over ? " ago" : "");
    probe_tell(check->probe, "certificate", text, strlen(text));
}

/* Of all certificates of the chain the one that expires first counts. */
static void
warn(struct tls_check *check, X509_STORE_CTX *chain)
{
    const STACK_OF(X509) *certificates = X509_STORE_CTX_get0_chain(chain);
    int days = 0, seconds = 0, at_days = INT32_MAX, at_seconds = 0, which = 0;
    char text[32];

    for (int i = 0; i < sk_X509_num(certificates); i++) {
        const X509 *certificate = sk_X509_value(certificates, i);

        if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1 ||
            days > at_days || (days == at_days && seconds >= at_seconds))
            continue;
        at_days = days;
        at_seconds = seconds;
        which = i;
    }
    if (((int64_t)at_days * DAY_S + at_seconds) * 1000 >= check->warn_ms)
        return;
    check->warning = true;
    snprintf(check->detail, sizeof check->detail, "certificate%s expires in %s",
             which > 0 ? "'s issuer" : "", span(at_days, at_seconds, text));
}

static int
on_certificate(X509_STORE_CTX *chain, void *context)
{
    struct tls_check *check = context;

    tell(check, chain);
    if (check->trust == NULL)
        return 1;
    if (X509_verify_cert(chain) == 1) {
        warn(check, chain);
        return 1;
    }
    check->failed = true;
    describe(check, chain);
    return 0;
}

bool
tls_check_apply(struct tls_check *check, SSL_CTX *context)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);
    struct address ip;
    char text[ADDRESS_TEXT_BYTES];

    SSL_CTX_set_cert_verify_callback(context, on_certificate, check);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (check->trust == NULL)
        return true;
    SSL_CTX_set1_cert_store(context, check->trust->store);
    if (address_parse_ip(check->name, 0, &ip) < 0)
        return X509_VERIFY_PARAM_set1_host(param, check->name, 0) == 1;
    ip.scope = 0;               /* of an interface of ours: no certificate has it */
    return X509_VERIFY_PARAM_set1_ip_asc(param, address_format_ip(&ip, text)) == 1;
}
