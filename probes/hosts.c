#include "probes/hosts.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/names.h"
#include "base/util.h"

struct hosts_address {
    struct hosts_address *next;     /* of the same name, in the order of the file */
    struct address address;
};

struct hosts_name {
    char name[HOST_NAME_BYTES];     /* lower case, no final dot */
    struct hosts_address *first, **last;
    UT_hash_handle hh;
};

struct hosts {
    struct hosts_name *names;       /* owned, with all addresses */
};

/* `name` as it is compared, into `key`; false when it is too long for any name. */
static bool
make_key(const char *name, size_t bytes, char *key)
{
    if (bytes > 0 && name[bytes - 1] == '.')
        bytes--;
    if (bytes == 0 || bytes >= HOST_NAME_BYTES)
        return false;
    for (size_t i = 0; i < bytes; i++)
        key[i] = (char)tolower((unsigned char)name[i]);
    key[bytes] = '\0';
    return true;
}

static struct hosts_name *
find(const struct hosts *hosts, const char *name)
{
    struct hosts_name *found = NULL;
    char key[HOST_NAME_BYTES];

    if (make_key(name, strlen(name), key))
        HASH_FIND_STR(hosts->names, key, found);
    return found;
}

static int
add(struct hosts *hosts, const char *key, const struct address *address)
{
    struct hosts_address *entry = calloc(1, sizeof *entry);
    struct hosts_name *name;

    if (entry == NULL)
        return -ENOMEM;
    entry->address = *address;
    HASH_FIND_STR(hosts->names, key, name);
    if (name == NULL) {
        name = calloc(1, sizeof *name);
        if (name == NULL) {
            free(entry);
            return -ENOMEM;
        }
        memcpy(name->name, key, strlen(key) + 1);
        name->last = &name->first;
        HASH_ADD_STR(hosts->names, name, name);
    }
    *name->last = entry;
    name->last = &entry->next;
    return 0;
}

/* The next word of a line, `*at` behind it; its length, 0 at the end. */
static size_t
next_word(const char **at, const char *end, const char **word)
{
    while (*at < end && (**at == ' ' || **at == '\t' || **at == '\r'))
        (*at)++;
    *word = *at;
    while (*at < end && **at != ' ' && **at != '\t' && **at != '\r' && **at != '#')
        (*at)++;
    return (size_t)(*at - *word);
}

static int
parse_line(struct hosts *hosts, const char *line, const char *end)
{
    char text[ADDRESS_TEXT_BYTES], key[HOST_NAME_BYTES];
    struct address address;
    const char *word;
    size_t bytes = next_word(&line, end, &word);
    int rc = 0;

    if (bytes == 0 || bytes >= sizeof text)
        return 0;
    memcpy(text, word, bytes);
    text[bytes] = '\0';
    if (address_parse_ip(text, 0, &address) < 0)
        return 0;
    while (rc == 0 && (bytes = next_word(&line, end, &word)) > 0) {
        if (make_key(word, bytes, key))
            rc = add(hosts, key, &address);
    }
    return rc;
}

struct hosts *
hosts_parse(const char *text, size_t bytes)
{
    struct hosts *hosts = calloc(1, sizeof *hosts);
    const char *end = text + bytes;

    if (hosts == NULL)
        return NULL;
    while (text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));

        if (line_end == NULL)
            line_end = end;
        if (parse_line(hosts, text, line_end) < 0) {
            hosts_destroy(hosts);
            return NULL;
        }
        text = line_end + 1;
    }
    return hosts;
}

/* The whole file on the heap, or NULL. */
static char *
read_file(const char *path, size_t *bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat stat;
    char *text = NULL;
    ssize_t got;

    *bytes = 0;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size <= HOSTS_BYTES_MAX)
        text = malloc((size_t)stat.st_size + 1);
    while (text != NULL && *bytes < (size_t)stat.st_size) {
        got = read(fd, text + *bytes, (size_t)stat.st_size - *bytes);
        if (got <= 0)
            break;
        *bytes += (size_t)got;
    }
    close(fd);
    return text;
}

struct hosts *
hosts_read(const char *path)
{
    size_t bytes;
    char *text = read_file(path, &bytes);
    struct hosts *hosts = hosts_parse(text == NULL ? "" : text, bytes);

    free(text);
    return hosts;
}

void
hosts_destroy(struct hosts *hosts)
{
    struct hosts_name *name, *next_name;
    struct hosts_address *entry, *next;

    HASH_ITER (hh, hosts->names, name, next_name) {
        for (entry = name->first; entry != NULL; entry = next) {
            next = entry->next;
            free(entry);
        }
        HASH_DEL(hosts->names, name);
        free(name);
    }
    free(hosts);
}

bool
hosts_has(const struct hosts *hosts, const char *name)
{
    return find(hosts, name) != NULL;
}

uint32_t
hosts_find(const struct hosts *hosts, const char *name, uint8_t family,
           struct address *addresses, uint32_t max)
{
    const struct hosts_name *found = find(hosts, name);
    uint32_t count = 0;

    if (found == NULL)
        return 0;
    for (const struct hosts_address *entry = found->first; entry != NULL; entry = entry->next) {
        bool new = entry->address.family == family && count < max;

        for (uint32_t i = 0; new && i < count; i++)
            new = !address_equal(&addresses[i], &entry->address);
        if (new)
            addresses[count++] = entry->address;
    }
    return count;
}

bool
hosts_is_localhost(const char *name)
{
    static const char localhost[] = "localhost";
    size_t want = sizeof localhost - 1;
    size_t bytes = strlen(name);

    if (bytes > 0 && name[bytes - 1] == '.')
        bytes--;
    if (bytes < want || strncasecmp(name + bytes - want, localhost, want) != 0)
        return false;
    return bytes == want || name[bytes - want - 1] == '.';
}
