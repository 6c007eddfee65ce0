/* A file of `ca`, whatever it is: certificates are counted, or a line of the text is named. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "proxy/commands/pem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned line = 0, lines = 1;
    int count = pem_count((const char *)data, size, &line);

    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    if (count < 0 && (count != -EINVAL || line == 0 || line > lines))
        abort();
    if (count > 0 && (size_t)count > size / 50)
        abort();
    return 0;
}
