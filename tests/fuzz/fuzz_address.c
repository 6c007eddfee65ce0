/* Any text: what address_split() takes apart is sound, and addresses survive a round trip. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void
check_ip(const char *text, uint16_t port)
{
    char formatted[ADDRESS_TEXT_BYTES], ip[ADDRESS_TEXT_BYTES], host[HOST_NAME_BYTES];
    struct sockaddr_storage storage;
    struct address address, again;
    const char *why;
    uint16_t split_port;

    if (address_parse_ip(text, port, &address) < 0)
        return;
    assert(address.family == 4 || address.family == 6);
    assert(address_parse_ip(address_format_ip(&address, ip), port, &again) == 0);
    assert(address_equal(&address, &again));
    address_to_sockaddr(&address, &storage);
    assert(address_from_sockaddr((struct sockaddr *)&storage, &again) == 0);
    assert(address_equal(&address, &again));
    address_format(&address, formatted);
    if (port != 0) {
        assert(address_split(formatted, host, &split_port, &why) == 0);
        assert(split_port == port && strcmp(host, ip) == 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    char host[HOST_NAME_BYTES];
    const char *why = NULL;
    uint16_t port = 0;

    memcpy(text, data, bytes);
    text[bytes] = '\0';
    check_ip(text, 0);
    if (address_split(text, host, &port, &why) == 0) {
        assert(why == NULL && port != 0);
        assert(host[0] != '\0' && strlen(host) < HOST_NAME_BYTES);
        assert(strpbrk(host, " \t\r\n[]") == NULL);
        check_ip(host, port);
    } else {
        assert(why != NULL && why[0] != '\0');
    }
    free(text);
    return 0;
}
