/* Whatever a target says, in whatever pieces: nothing is read beyond what came, a dialog never
 * goes back, and it ends within its bounds. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "probes/dialog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct app_step list[] = {
    { STEP_EXPECT_REGEX, 10, (char[]){ "^220[ -]x?" } },
    { STEP_SEND, 4, (char[]){ "QUIT" } },
    { STEP_EXPECT, 2, (char[]){ 0, 10 } },
    { STEP_EXPECT_REGEX, 15, (char[]){ "(^|\n)(a|b)+[^c]" } },
    { STEP_EXPECT, 3, (char[]){ "end" } },
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct app_steps steps = { list, ARRAY_SIZE(list) };
    struct dialog *dialog;
    struct dialog_run run;
    char text[64];

    if (dialog_create(&steps, &dialog) != 0 || dialog_begin(&run, dialog) != 0)
        abort();
    while (size > 0) {
        size_t piece = MIN((size_t)data[0] % 64, size - 1), room;
        enum dialog_want want = dialog_want(&run);
        uint32_t step = run.step;

        data++;
        size--;
        if (want == DIALOG_DONE || want == DIALOG_MISMATCH)
            break;
        dialog_lacks(&run, text, sizeof text);
        if (want == DIALOG_SEND) {
            dialog_to_send(&run, &room);
            dialog_sent(&run, MAX(MIN(piece, room), (size_t)1));
        } else {
            char *to = dialog_room(&run, &room);

            piece = MIN(piece, room);
            memcpy(to, data, piece);
            dialog_heard(&run, piece);
            data += piece;
            size -= piece;
        }
        assert(run.step >= step && run.step <= ARRAY_SIZE(list));
        assert(run.held <= DIALOG_BYTES_MAX);
    }
    dialog_end(&run);
    dialog_destroy(dialog);
    return 0;
}
