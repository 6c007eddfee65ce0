#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum {
    IP_TEXT_BYTES = INET6_ADDRSTRLEN + IF_NAMESIZE + 1,
    LABEL_MAX = 63,
    NAME_MAX_CHARS = 253,       /* without the trailing dot */
};

/* The scope of a link-local address: the name or the number of an interface; 0: none such. */
static uint32_t
scope_parse(const char *text)
{
    /* What follows a colon the kernel takes for an alias and does not look at. */
    uint32_t index = strchr(text, ':') == NULL ? if_nametoindex(text) : 0;
    uint64_t number = 0;

    if (index != 0)
        return index;
    if (*text == '\0' || strlen(text) > 10)
        return 0;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return 0;
        number = number * 10 + (uint64_t)(*text - '0');
    }
    return number <= UINT32_MAX ? (uint32_t)number : 0;
}

static void
set_ipv4(struct address *address, const void *ip)
{
    memcpy(address->ip, ip, 4);
    memset(address->ip + 4, 0, 12);
    address->family = 4;
    address->scope = 0;
}

/* The same address has one form only: IPv4 within IPv6 is IPv4, a scope is link-local's. */
static void
set_ipv6(struct address *address, const struct in6_addr *ip, uint32_t scope)
{
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        set_ipv4(address, ip->s6_addr + 12);
        return;
    }
    memcpy(address->ip, ip->s6_addr, 16);
    address->family = 6;
    address->scope = IN6_IS_ADDR_LINKLOCAL(ip) ? scope : 0;
}

int
address_parse_ip(const char *text, uint16_t port, struct address *address)
{
    struct address parsed = { .port = port };
    struct in6_addr ip6;
    struct in_addr ip4;
    char plain[IP_TEXT_BYTES];
    char *percent;
    uint32_t scope = 0;

    if (inet_pton(AF_INET, text, &ip4) == 1) {
        set_ipv4(&parsed, &ip4);
        *address = parsed;
        return 0;
    }
    if (strlen(text) >= sizeof plain)
        return -EINVAL;
    strcpy(plain, text);
    percent = strchr(plain, '%');
    if (percent != NULL)
        *percent = '\0';
    if (inet_pton(AF_INET6, plain, &ip6) != 1)
        return -EINVAL;
    if (percent != NULL) {
        scope = IN6_IS_ADDR_LINKLOCAL(&ip6) ? scope_parse(percent + 1) : 0;
        if (scope == 0)
            return -EINVAL;
    }
    set_ipv6(&parsed, &ip6, scope);
    *address = parsed;
    return 0;
}

static const char *
format_scope(const struct address *address, char *text, size_t bytes)
{
    char name[IF_NAMESIZE];

    text[0] = '\0';
    if (address->family == 6 && address->scope != 0) {
        if (if_indextoname(address->scope, name) != NULL)
            snprintf(text, bytes, "%%%s", name);
        else
            snprintf(text, bytes, "%%%u", address->scope);
    }
    return text;
}

const char *
address_format_ip(const struct address *address, char *text)
{
    char ip[INET6_ADDRSTRLEN];
    char scope[IF_NAMESIZE + 1];

    text[0] = '\0';
    if (address->family == 0)
        return text;
    if (inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->ip, ip, sizeof ip))
        snprintf(text, ADDRESS_TEXT_BYTES, "%s%s", ip,
                 format_scope(address, scope, sizeof scope));
    return text;
}

const char *
address_format(const struct address *address, char *text)
{
    char ip[ADDRESS_TEXT_BYTES];

    address_format_ip(address, ip);
    if (ip[0] == '\0')
        text[0] = '\0';
    else if (address->family == 4)
        snprintf(text, ADDRESS_TEXT_BYTES, "%.15s:%u", ip, address->port);
    else
        snprintf(text, ADDRESS_TEXT_BYTES, "[%.62s]:%u", ip, address->port);
    return text;
}

bool
address_equal(const struct address *a, const struct address *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

socklen_t
address_to_sockaddr(const struct address *address, struct sockaddr_storage *storage)
{
    memset(storage, 0, sizeof *storage);
    if (address->family == 6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(address->port);
        memcpy(&in6->sin6_addr, address->ip, 16);
        in6->sin6_scope_id = address->scope;
        return sizeof *in6;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)storage;

    in->sin_family = AF_INET;
    in->sin_port = htons(address->port);
    memcpy(&in->sin_addr, address->ip, 4);
    return sizeof *in;
}

int
address_from_sockaddr(const struct sockaddr *sockaddr, struct address *address)
{
    struct address result = { 0 };

    if (sockaddr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sockaddr;

        set_ipv4(&result, &in->sin_addr);
        result.port = ntohs(in->sin_port);
    } else if (sockaddr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)sockaddr;

        set_ipv6(&result, &in6->sin6_addr, in6->sin6_scope_id);
        result.port = ntohs(in6->sin6_port);
    } else {
        return -EAFNOSUPPORT;
    }
    *address = result;
    return 0;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_label_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-'
           || c == '_';
}

/* NULL when `text` is a port, else what is wrong with it. */
static const char *
port_problem(const char *text, uint16_t *port)
{
    uint32_t value = 0;

    if (*text == '\0')
        return "no port after the colon: write host:port";
    for (const char *c = text; *c != '\0'; c++) {
        if (!is_digit(*c))
            return "the port is not a number: digits only";
        value = MIN(value * 10 + (uint32_t)(*c - '0'), 100000U);
    }
    if (value == 0 || value > 65535)
        return "the port is out of range: 1 to 65535";
    if (text[0] == '0')
        return "the port begins with 0: write it without";
    *port = (uint16_t)value;
    return NULL;
}

/* A name whose last label is a number can only be meant as an IPv4 address. */
static bool
means_ipv4(const char *host)
{
    size_t end = strlen(host);
    size_t begin;

    if (end > 0 && host[end - 1] == '.')
        end--;
    for (begin = end; begin > 0 && host[begin - 1] != '.'; begin--) {
        if (!is_digit(host[begin - 1]))
            return false;
    }
    return begin < end;
}

static const char *
name_problem(const char *host)
{
    size_t chars = strlen(host);
    size_t label = 0;

    if (chars > 0 && host[chars - 1] == '.')
        chars--;
    if (chars > NAME_MAX_CHARS)
        return "the host name is longer than 253 characters";
    for (size_t i = 0; i < chars; i++) {
        if (host[i] == '.' && label == 0)
            return "the host name has an empty part between its dots";
        label = host[i] == '.' ? 0 : label + 1;
        if (label > LABEL_MAX)
            return "a part of the host name is longer than 63 characters";
        if (label > 0 && !is_label_char(host[i]))
            return "not a host name: letters, digits, '-', '_' and dots only";
    }
    return label == 0 ? "the host name has an empty part between its dots" : NULL;
}

static const char *
host_problem(const char *host)
{
    struct in_addr ip4;

    if (host[0] == '\0')
        return "no host before the port: write host:port";
    if (inet_pton(AF_INET, host, &ip4) == 1)
        return NULL;
    if (means_ipv4(host))
        return "not an IPv4 address: four numbers from 0 to 255";
    return name_problem(host);
}

static const char *
split_bracketed(const char *text, char *host, uint16_t *port)
{
    const char *end = strchr(text, ']');
    struct address address;
    struct in_addr ip4;
    size_t chars;

    if (end == NULL)
        return "the bracket is not closed: write [address]:port";
    chars = (size_t)(end - text) - 1;
    if (chars == 0)
        return "no address in the brackets: write [::1]:80";
    if (chars >= IP_TEXT_BYTES)
        return "not an IPv6 address in the brackets";
    memcpy(host, text + 1, chars);
    host[chars] = '\0';
    if (inet_pton(AF_INET, host, &ip4) == 1)
        return "only an IPv6 address has brackets: write 10.0.0.7:80";
    if (address_parse_ip(host, 0, &address) < 0)
        return strchr(host, '%') != NULL
                   ? "not a link-local IPv6 address with the name of an interface of this host"
                   : "not an IPv6 address in the brackets";
    if (end[1] == '\0')
        return "no port: write [address]:port";
    if (end[1] != ':')
        return "only :port may follow the bracket";
    return port_problem(end + 2, port);
}

/* More than one colon: an IPv6 address that lacks its brackets, or nothing sensible. */
static const char *
colons_problem(const char *text)
{
    char plain[IP_TEXT_BYTES + 8];
    struct address address;

    if (strlen(text) < sizeof plain) {
        strcpy(plain, text);
        if (address_parse_ip(plain, 0, &address) == 0)
            return "an IPv6 address needs brackets: [::1]:80";
        *strrchr(plain, ':') = '\0';
        if (address_parse_ip(plain, 0, &address) == 0)
            return "an IPv6 address needs brackets: [::1]:80";
    }
    return "more than one colon: write host:port, or [IPv6 address]:port";
}

static const char *
split_plain(const char *text, char *host, uint16_t *port)
{
    const char *colon = strchr(text, ':');
    const char *why;

    if (colon == NULL)
        return "no port: write host:port";
    if (strchr(colon + 1, ':') != NULL)
        return colons_problem(text);
    if (colon - text >= HOST_NAME_BYTES)
        return "the host name is longer than 253 characters";
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    why = host_problem(host);
    return why != NULL ? why : port_problem(colon + 1, port);
}

int
address_split(const char *text, char *host, uint16_t *port, const char **why)
{
    host[0] = '\0';
    *port = 0;
    *why = NULL;
    if (*text == '\0')
        *why = "empty: write host:port";
    for (const char *c = text; *c != '\0' && *why == NULL; c++) {
        if (*c == ' ' || (*c >= '\t' && *c <= '\r'))
            *why = "spaces are not allowed";
    }
    if (*why == NULL)
        *why = *text == '[' ? split_bracketed(text, host, port)
                            : split_plain(text, host, port);
    return *why == NULL ? 0 : -EINVAL;
}
