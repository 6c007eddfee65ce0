/*
 * page - how boards and traffic pages begin.
 */
#include "strategy/page.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/shared_file.h"

static bool
is_name_byte(char byte, bool first)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
           (byte == '-' && !first);
}

bool
page_name_valid(const char *name)
{
    size_t length = strnlen(name, APP_NAME_BYTES);

    if (length == 0 || length == APP_NAME_BYTES)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_name_byte(name[i], i == 0))
            return false;
    }
    return true;
}

void
page_name_copy(char *to, const char *name)
{
    memset(to, 0, APP_NAME_BYTES);
    memcpy(to, name, strnlen(name, APP_NAME_BYTES - 1));
}

bool
page_number_parse(const char *text, uint32_t *number)
{
    const char *digits = text + 1;
    uint64_t value = 0;

    if (text[0] != '.' || digits[0] == '\0' || (digits[0] == '0' && digits[1] != '\0'))
        return false;
    for (const char *digit = digits; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        value = value * 10 + (uint64_t)(*digit - '0');
        if (value > UINT32_MAX)
            return false;
    }
    *number = (uint32_t)value;
    return true;
}

int
page_format(int fd, const struct page_head *begin, size_t bytes)
{
    struct stat status;
    ssize_t written;

    if (begin->slots < 1 || begin->slots > PAGE_SLOTS_MAX)
        return -EINVAL;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size != begin->bytes)
        return -EINVAL;
    written = pwrite(fd, begin, bytes, 0);
    if (written < 0)
        return -errno;
    return (size_t)written == bytes ? 0 : -EIO;
}

static bool
head_fits(const struct page_head *head, uint32_t magic, uint32_t layout, size_t bytes)
{
    return head->magic == magic && head->layout == layout && head->bytes == bytes &&
           head->slots >= 1 && head->slots <= PAGE_SLOTS_MAX && page_name_valid(head->app);
}

int
page_map(int fd, bool writable, uint32_t magic, uint32_t layout, size_t bytes_min,
         char *app, void **memory, size_t *bytes)
{
    struct page_head head = { 0 };

    *memory = shared_file_map(fd, writable, bytes);
    if (*memory == NULL)
        return errno == EINVAL ? -EPROTO : -errno;      /* no regular file, or an empty one */
    /* A copy is checked: the file may not talk us out of it afterwards. */
    if (*bytes >= bytes_min)
        memcpy(&head, *memory, sizeof head);
    if (!head_fits(&head, magic, layout, *bytes)) {
        shared_file_unmap(*memory, *bytes);
        return -EPROTO;
    }
    memcpy(app, head.app, sizeof head.app);
    return 0;
}
