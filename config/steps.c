#include "config/steps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/print.h"

static const char *const step_keys[] = {
    [STEP_SEND] = "send",
    [STEP_EXPECT] = "expect",
    [STEP_EXPECT_REGEX] = "expect_regex",
};

void
steps_fini(struct app_steps *steps)
{
    for (uint32_t i = 0; i < steps->count; i++)
        free(steps->list[i].bytes);
    free(steps->list);
    *steps = (struct app_steps){ 0 };
}

static bool
copy_step(const struct app_step *from, struct app_step *to)
{
    *to = *from;
    to->bytes = malloc((size_t)from->length + 1);
    if (to->bytes == NULL)
        return false;
    memcpy(to->bytes, from->bytes, (size_t)from->length + 1);
    return true;
}

int
steps_copy(const struct app_steps *from, struct app_steps *to)
{
    *to = (struct app_steps){ 0 };
    if (from->count == 0)
        return 0;
    to->list = calloc(from->count, sizeof *to->list);
    if (to->list == NULL)
        return -ENOMEM;
    for (; to->count < from->count; to->count++) {
        if (!copy_step(&from->list[to->count], &to->list[to->count])) {
            steps_fini(to);
            return -ENOMEM;
        }
    }
    return 0;
}

bool
steps_equal(const struct app_steps *a, const struct app_steps *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct app_step *one = &a->list[i], *other = &b->list[i];

        if (one->kind != other->kind || one->length != other->length ||
            memcmp(one->bytes, other->bytes, one->length) != 0)
            return false;
    }
    return true;
}

static bool
is_text(const struct app_step *step)
{
    for (uint32_t i = 0; i < step->length; i++) {
        if (step->bytes[i] <= '\0' || (unsigned char)step->bytes[i] > 0x7f)
            return false;
    }
    return true;
}

/* As text where it is some, for people read it; else as hex, in which any byte can be read back. */
static void
print_step(struct print *print, const struct app_step *step)
{
    bool text = step->kind == STEP_EXPECT_REGEX || is_text(step);

    fprintf(print->stream, "{ %s%s = ", step_keys[step->kind], text ? "" : "_hex");
    if (text) {
        print_quoted(print, step->bytes);
    } else {
        putc('"', print->stream);
        for (uint32_t i = 0; i < step->length; i++)
            fprintf(print->stream, "%02x", (unsigned char)step->bytes[i]);
        putc('"', print->stream);
    }
    fputs("; }", print->stream);
}

void
steps_print(struct print *print, int indent, const struct app_steps *steps)
{
    if (steps->count == 0)
        return;
    print_begin_value(print, indent, "steps");
    putc('(', print->stream);
    for (uint32_t i = 0; i < steps->count; i++) {
        fputs(i == 0 ? " " : ", ", print->stream);
        print_step(print, &steps->list[i]);
    }
    fputs(" )", print->stream);
    print_end_value(print);
}
