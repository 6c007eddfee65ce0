/* Whatever a helper says: read without fault, and what is taken of it is fit to be shown. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "probes/helper_line.h"
#include "probes/plain_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_plain(const char *text, size_t room)
{
    size_t length = strnlen(text, room);

    assert(length < room);
    for (size_t i = 0; i < length; i++)
        assert((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
    assert(utf8_whole(text, length) == length);
    assert(length == 0 || (text[0] != ' ' && text[length - 1] != ' '));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct helper_answer answer;
    char why[DETAIL_BYTES], text[32];
    int rc;

    if (size >= HELPER_LINE_BYTES)
        return 0;
    rc = helper_line_read((const char *)data, size, &answer, why);
    assert(rc == 0 || rc == -EBADMSG || rc == -EINVAL);
    check_plain(answer.detail, sizeof answer.detail);
    if (rc < 0)
        check_plain(why, sizeof why);
    plain_text(text, sizeof text, (const char *)data, size);
    check_plain(text, sizeof text);
    plain_first_line(text, sizeof text, (const char *)data, size);
    check_plain(text, sizeof text);
    return 0;
}
