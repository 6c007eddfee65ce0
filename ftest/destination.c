#include "ftest/destination.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/cli.h"
#include "base/names.h"

static void
look_up(const char *command, const char *text, const char *host, uint16_t port, int family,
        struct destination *destination)
{
    const struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    char service[8];
    int error;

    snprintf(service, sizeof service, "%u", port);
    error = getaddrinfo(host, service, &hints, &found);
    if (error != 0)
        cli_usage_error(command, "%s: cannot resolve `%s': %s", text, host,
                        gai_strerror(error));
    destination->count = 0;
    for (struct addrinfo *a = found; a != NULL; a = a->ai_next) {
        if (destination->count == DESTINATION_ADDRESSES_MAX)
            break;
        assert(a->ai_addrlen <= sizeof destination->addresses[0]);
        memcpy(&destination->addresses[destination->count], a->ai_addr, a->ai_addrlen);
        destination->lengths[destination->count++] = a->ai_addrlen;
    }
    freeaddrinfo(found);
}

void
destination_resolve(const char *command, const char *text, int family,
                    struct destination *destination)
{
    char host[HOST_NAME_BYTES];
    const char *why = "";
    uint16_t port;

    if (address_split(text, host, &port, &why) < 0)
        cli_usage_error(command, "%s: %s; an address is host:port, 1.2.3.4:port or [v6]:port",
                        text, why);
    look_up(command, text, host, port, family, destination);
}

/* address_split() refuses port 0, which means nothing to a client: it is taken off first. */
void
destination_resolve_local(const char *command, const char *text,
                          struct destination *destination)
{
    char with_port[TARGET_NAME_BYTES], host[HOST_NAME_BYTES];
    size_t length = strlen(text);
    const char *why = "";
    uint16_t port;
    bool any_port = length > 2 && strcmp(text + length - 2, ":0") == 0;

    snprintf(with_port, sizeof with_port, "%s", text);
    if (any_port && length < sizeof with_port)
        with_port[length - 1] = '1';
    if (address_split(with_port, host, &port, &why) < 0)
        cli_usage_error(command, "%s: %s; an address is 127.0.0.1:port or [::1]:port", text,
                        why);
    look_up(command, text, host, any_port ? 0 : port, AF_UNSPEC, destination);
}

const char *
destination_format(const struct destination *destination, size_t index, char *text)
{
    struct address address;

    assert(index < destination->count);
    if (address_from_sockaddr((const struct sockaddr *)&destination->addresses[index],
                              &address) < 0)
        memset(&address, 0, sizeof address);
    return address_format(&address, text);
}

const char *
destination_format_bound(int fd, char *text)
{
    struct destination bound = { .count = 1, .lengths = { sizeof bound.addresses[0] } };

    if (getsockname(fd, (struct sockaddr *)&bound.addresses[0], &bound.lengths[0]) < 0)
        bound.addresses[0].ss_family = AF_UNSPEC;
    return destination_format(&bound, 0, text);
}
