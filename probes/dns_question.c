/* RFC 1035, 4. Recursion is desired: a server that does none ignores that. */
#include "probes/dns_question.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"

enum {
    LABEL_BYTES = 63,
    TAIL_BYTES = 4,                 /* type, class */
    RECORD_HEAD_BYTES = 10,         /* type, class, TTL, length */
    CLASS_IN = 1,
    TYPE_CNAME = 5,
    FLAG_ANSWER = 0x80, FLAG_TRUNCATED = 0x02, FLAG_RECURSION = 0x01, MASK_OPCODE = 0x78,
    RCODE_NXDOMAIN = 3,
};

static const struct {
    const char *name;
    uint16_t type;
} types[] = {
    { "A", 1 },    { "NS", 2 },  { "CNAME", TYPE_CNAME }, { "SOA", 6 },   { "PTR", 12 },
    { "MX", 15 },  { "TXT", 16 }, { "AAAA", 28 },         { "SRV", 33 },
};

static const char *const rcodes[] = { "NOERROR", "FORMERR",  "SERVFAIL", "NXDOMAIN",
                                      "NOTIMP",  "REFUSED",  "YXDOMAIN", "YXRRSET",
                                      "NXRRSET", "NOTAUTH",  "NOTZONE" };

/* In lower case, as on the wire without pointers. */
struct name {
    unsigned char bytes[DNS_NAME_BYTES];
    size_t length;
};

struct message {
    const unsigned char *bytes;
    size_t length, at;
};

static uint16_t
number(const unsigned char *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* ---- asking ---- */

static uint16_t
type_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    }
    return 0;
}

/* Its bytes on the wire; 0: it can be no name. A dot at its end is allowed, "." is the root. */
static size_t
encode(const char *name, unsigned char *bytes)
{
    size_t at = 0, label;

    if (strcmp(name, ".") == 0)
        name = "";
    for (; *name != '\0'; name += label + (name[label] == '.')) {
        label = strcspn(name, ".");
        if (label == 0 || label > LABEL_BYTES || at + 1 + label + 1 > DNS_NAME_BYTES)
            return 0;
        bytes[at++] = (unsigned char)label;
        memcpy(bytes + at, name, label);
        at += label;
    }
    bytes[at++] = 0;
    return at;
}

int
dns_question_make(const char *name, const char *type, struct dns_question *question)
{
    unsigned char *packet = question->packet;
    size_t bytes;

    memset(question, 0, sizeof *question);
    question->type = type_of(type);
    bytes = encode(name, packet + DNS_HEADER_BYTES);
    if (question->type == 0 || bytes == 0)
        return -EINVAL;
    packet[2] = FLAG_RECURSION;
    packet[5] = 1;                              /* one question */
    bytes += DNS_HEADER_BYTES;
    packet[bytes + 1] = (unsigned char)question->type;
    packet[bytes + 3] = CLASS_IN;
    question->bytes = bytes + TAIL_BYTES;
    return 0;
}

/* ---- reading ---- */

/* A label of `bytes` with its length, from `at`. */
static bool
add_label(struct name *name, const struct message *message, size_t at, size_t bytes)
{
    if (bytes > message->length - at || bytes > sizeof name->bytes - name->length)
        return false;
    for (size_t i = 0; i < bytes; i++)
        name->bytes[name->length++] = (unsigned char)tolower(message->bytes[at + i]);
    return true;
}

/* The name at message->at, which moves behind it. Pointers go back only; what comes again and again
 * by them gets longer than a name may be. */
static bool
read_name(struct message *message, struct name *name)
{
    size_t at = message->at, to;
    bool jumped = false;

    name->length = 0;
    for (;;) {
        unsigned char label;

        if (at >= message->length)
            return false;
        label = message->bytes[at];
        if ((label & 0xc0) == 0xc0) {
            if (message->length - at < 2)
                return false;
            to = (size_t)(number(message->bytes + at) & 0x3fff);
            message->at = jumped ? message->at : at + 2;
            jumped = true;
            if (to >= at)
                return false;
            at = to;
            continue;
        }
        if (label > LABEL_BYTES || !add_label(name, message, at, (size_t)label + 1))
            return false;
        at += (size_t)label + 1;
        if (label == 0) {
            message->at = jumped ? message->at : at;
            return true;
        }
    }
}

static bool
same_name(const struct name *a, const struct name *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

struct answer {
    struct name owner;
    uint16_t type, class;
    size_t data;                    /* where it begins */
};

static bool
read_answer(struct message *message, struct answer *answer)
{
    const unsigned char *head;
    size_t data_bytes;

    if (!read_name(message, &answer->owner) || message->length - message->at < RECORD_HEAD_BYTES)
        return false;
    head = message->bytes + message->at;
    answer->type = number(head);
    answer->class = number(head + 2);
    data_bytes = number(head + 8);
    message->at += RECORD_HEAD_BYTES;
    answer->data = message->at;
    if (message->length - message->at < data_bytes)
        return false;
    message->at += data_bytes;
    return true;
}

/* How many records of `type` the `name` has, in the answers that begin at message.at; when none,
 * `*alias` is where its CNAME leads (length 0: it has none). -EINVAL: they cannot be read. */
static int
count(struct message message, uint16_t type, const struct name *name, struct name *alias)
{
    uint32_t answers = MIN(number(message.bytes + 6), (uint32_t)DNS_RECORDS_MAX);
    struct answer answer;
    int found = 0;

    alias->length = 0;
    for (uint32_t i = 0; i < answers; i++) {
        if (!read_answer(&message, &answer))
            return -EINVAL;
        if (answer.class != CLASS_IN || !same_name(&answer.owner, name))
            continue;
        found += answer.type == type;
        if (answer.type == TYPE_CNAME && type != TYPE_CNAME) {
            struct message data = { message.bytes, message.length, answer.data };

            if (!read_name(&data, alias))
                return -EINVAL;
        }
    }
    return found;
}

static void
set(struct dns_verdict *verdict, enum reason reason, const char *what)
{
    verdict->reason = reason;
    verdict->what = what;
}

/* NOERROR: is there what was asked for? */
static void
judge_answers(struct dns_verdict *verdict, const struct message *message, uint16_t type,
              struct name *name)
{
    struct name alias;

    for (int i = 0; i <= DNS_CHAIN_MAX; i++) {
        int found = count(*message, type, name, &alias);

        if (found < 0) {
            set(verdict, REASON_MISMATCH, "its records cannot be read");
            return;
        }
        verdict->records = (uint32_t)found;
        if (found > 0) {
            set(verdict, REASON_OK, "NOERROR");
            return;
        }
        if (alias.length == 0) {
            set(verdict, REASON_DNS_EMPTY, "no such record");
            return;
        }
        *name = alias;
    }
    set(verdict, REASON_DNS_EMPTY, "its CNAMEs have no end");
}

/* Behind the question, if it is ours. A server that understood nothing may leave it out. */
static bool
read_question(struct message *message, const struct dns_question *question, uint8_t rcode,
              struct name *name)
{
    struct message asked = { question->packet, question->bytes, DNS_HEADER_BYTES };
    struct name heard;
    uint16_t questions = number(message->bytes + 4);

    read_name(&asked, name);
    if (questions == 0 && rcode != 0)
        return true;
    if (questions != 1 || !read_name(message, &heard) ||
        message->length - message->at < TAIL_BYTES || !same_name(name, &heard) ||
        memcmp(message->bytes + message->at, question->packet + asked.at, TAIL_BYTES) != 0)
        return false;
    message->at += TAIL_BYTES;
    return true;
}

void
dns_question_judge(const struct dns_question *question, uint16_t id, const unsigned char *bytes,
                   size_t length, struct dns_verdict *verdict)
{
    struct message message = { bytes, length, DNS_HEADER_BYTES };
    struct name name;
    uint8_t rcode;

    *verdict = (struct dns_verdict){ .reason = REASON_MISMATCH, .what = "it is no DNS message" };
    if (length < DNS_HEADER_BYTES || (bytes[2] & FLAG_ANSWER) == 0 || (bytes[2] & MASK_OPCODE) != 0)
        return;
    verdict->what = "it answers another question";
    rcode = bytes[3] & 0x0f;
    if (number(bytes) != id || !read_question(&message, question, rcode, &name))
        return;
    verdict->ours = true;
    verdict->truncated = (bytes[2] & FLAG_TRUNCATED) != 0;
    if (verdict->truncated)
        set(verdict, REASON_OK, "truncated");
    else if (rcode == 0)
        judge_answers(verdict, &message, question->type, &name);
    else
        set(verdict, rcode == RCODE_NXDOMAIN ? REASON_DNS_NXDOMAIN : REASON_DNS_SERVFAIL,
            rcode < ARRAY_SIZE(rcodes) ? rcodes[rcode] : "an unknown error");
}
