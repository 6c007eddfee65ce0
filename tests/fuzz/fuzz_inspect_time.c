/* Any text: what is read as a time lies between the years 0 and 9999, and is read again in UTC. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "probes/inspect_time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1), utc[TIME_TEXT_BYTES];
    int64_t wall_ms, again_ms;

    memcpy(text, data, bytes);
    text[bytes] = '\0';
    if (inspect_time_parse(text, INT64_C(1764160000000), &wall_ms) == 0) {
        clock_format_utc(wall_ms, utc);
        assert(inspect_time_parse(utc, 0, &again_ms) == 0);
        assert(again_ms == wall_ms);
    }
    free(text);
    return 0;
}
