#include "config/steps_read.h"

#include <ctype.h>
#include <errno.h>
#include <libconfig.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/steps.h"

#define STEP_FORMS "write { send = \"PING\\r\\n\"; } or { expect = \"+PONG\"; }"

/* How a step may be written. */
static const struct form {
    const char *name;
    enum app_step_kind kind;
    bool hex;
} forms[] = {
    { "send", STEP_SEND, false },
    { "expect", STEP_EXPECT, false },
    { "send_hex", STEP_SEND, true },
    { "expect_hex", STEP_EXPECT, true },
    { "expect_regex", STEP_EXPECT_REGEX, false },
};

/* ---- presets ---- */

enum { PRESET_STEPS = 3 };

/* Where the protocol has a farewell it is said, so that the target's log stays quiet. A redis that
 * wants a password is there as well; PostgreSQL is asked whether it speaks TLS; MySQL and SMTP
 * speak first, and SMTP must have ended its greeting ("220-" goes on) before it is answered. */
static const struct preset {
    const char *name;
    struct {
        const char *form, *text;
    } steps[PRESET_STEPS];
} presets[] = {
    { "memcached", { { "send", "version\r\n" }, { "expect", "VERSION " },
                     { "send", "quit\r\n" } } },
    { "mysql", { { "expect_hex", "000a" } } },
    { "postgres", { { "send_hex", "0000000804d2162f" }, { "expect_regex", "^[SN]" } } },
    { "redis", { { "send", "PING\r\n" }, { "expect_regex", "^(\\+PONG|-NOAUTH)" },
                 { "send", "QUIT\r\n" } } },
    { "smtp", { { "expect_regex", "(^|\n)220 " }, { "send", "QUIT\r\n" },
                { "expect_regex", "(^|\n)221" } } },
};

const char *const steps_presets[] = { "memcached", "mysql", "postgres", "redis", "smtp", NULL };
_Static_assert(ARRAY_SIZE(presets) + 1 == ARRAY_SIZE(steps_presets), "the same, in order");

/* ---- one step ---- */

struct reading {
    struct reader *reader;
    const struct config_setting_t *setting;     /* at which problems are told */
    const char *key;                            /* likewise */
    struct app_steps *steps;
};

static const struct form *
form_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        if (strcmp(forms[i].name, name) == 0)
            return &forms[i];
    }
    return NULL;
}

/* Spaces between bytes are allowed. The length, or -1. */
static int
unhex(const char *text, char *bytes)
{
    int length = 0;

    for (; *text != '\0'; text++) {
        char pair[3] = { text[0], text[1], '\0' };

        if (*text == ' ')
            continue;
        if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]))
            return -1;
        bytes[length++] = (char)strtoul(pair, NULL, 16);
        text++;
    }
    bytes[length] = '\0';
    return length;
}

/* What makes a regular expression take exponential time (a back-reference) or gigabytes
 * (repetition counts within each other); the prober waits for nobody. NULL: nothing. */
static const char *
why_not(const char *pattern)
{
    for (; *pattern != '\0'; pattern++) {
        if ((unsigned char)*pattern > 0x7f)
            return "is not plain ASCII; write expect_hex for other bytes";
        if (*pattern == '{')
            return "has a repetition count in braces, which is not allowed: it may take gigabytes; "
                   "\\\\{ is the character";
        if (*pattern != '\\')
            continue;
        if (isdigit((unsigned char)pattern[1]))
            return "refers back (\\1), which is not allowed: it may take for ever";
        if (pattern[1] != '\0')
            pattern++;
    }
    return NULL;
}

static bool
is_regex(const struct reading *reading, const char *pattern)
{
    char why[128], quoted[QUOTE_BYTES];
    const char *not = why_not(pattern);
    regex_t regex;
    int rc;

    if (not != NULL) {
        key_problem(reading->reader, reading->setting, reading->key, "%s %s",
                    problem_quote(pattern, quoted), not);
        return false;
    }
    rc = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB);
    if (rc != 0) {
        regerror(rc, &regex, why, sizeof why);
        key_problem(reading->reader, reading->setting, reading->key,
                    "%s is no regular expression: %s", problem_quote(pattern, quoted), why);
        return false;
    }
    regfree(&regex);
    return true;
}

/* Takes the bytes (on the heap) over. */
static void
append(struct reading *reading, enum app_step_kind kind, char *bytes, uint32_t length)
{
    struct app_steps *steps = reading->steps;
    struct app_step *grown;

    if (steps->count == STEPS_MAX) {
        free(bytes);
        return;                     /* told by who counted them */
    }
    grown = reallocarray(steps->list, steps->count + 1, sizeof *grown);
    if (grown == NULL) {
        reading->reader->out_of_memory = true;
        free(bytes);
        return;
    }
    steps->list = grown;
    grown[steps->count++] = (struct app_step){ .kind = kind, .length = length, .bytes = bytes };
}

static void
add(struct reading *reading, const struct form *form, const char *text)
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes + 1);
    char quoted[QUOTE_BYTES];
    int length = (int)bytes;

    if (copy == NULL) {
        reading->reader->out_of_memory = true;
        return;
    }
    memcpy(copy, text, bytes + 1);
    if (form->hex)
        length = unhex(text, copy);
    if (length < 0)
        key_problem(reading->reader, reading->setting, reading->key,
                    "%s is not in hex; write two digits a byte: \"0d 0a\"",
                    problem_quote(text, quoted));
    else if (length == 0)
        key_problem(reading->reader, reading->setting, reading->key,
                    "is empty; leave it out where nothing is to be said or heard");
    else if (length > STEP_BYTES_MAX)
        key_problem(reading->reader, reading->setting, reading->key,
                    "is %d bytes long; at most %d are allowed", length, STEP_BYTES_MAX);
    else if (form->kind != STEP_EXPECT_REGEX || is_regex(reading, copy)) {
        append(reading, form->kind, copy, (uint32_t)length);
        return;
    }
    free(copy);
}

/* `setting` is the text of a step in `form`. */
static void
add_setting(struct reading *reading, const struct form *form,
            const struct config_setting_t *setting)
{
    reading->setting = setting;
    reading->key = form->name;
    if (setting->type != CONFIG_TYPE_STRING)
        key_problem(reading->reader, setting, form->name,
                    "is %s; it must be a string in double quotes", key_type_name(setting));
    else
        add(reading, form, setting->value.sval == NULL ? "" : setting->value.sval);
}

/* ---- lists and names of them ---- */

static void
add_element(struct reading *reading, const struct config_setting_t *element)
{
    const config_setting_t *member;
    const struct form *form;

    if (element->type != CONFIG_TYPE_GROUP || config_setting_length(element) != 1) {
        key_problem(reading->reader, element, "steps", "each step is a group of one key; "
                    STEP_FORMS);
        return;
    }
    member = config_setting_get_elem(element, 0);
    form = form_of(member->name);
    if (form == NULL)
        key_problem(reading->reader, member, member->name, "is unknown in a step; there are "
                    "send, expect, send_hex, expect_hex and expect_regex");
    else
        add_setting(reading, form, member);
}

static void
add_list(struct reading *reading, const struct config_setting_t *list)
{
    int count = list->type == CONFIG_TYPE_LIST ? config_setting_length(list) : -1;

    if (count < 0)
        key_problem(reading->reader, list, "steps", "is %s; write a list: ( { send = ...; }, "
                    "{ expect = ...; } )", key_type_name(list));
    else if (count > STEPS_MAX)
        key_problem(reading->reader, list, "steps", "%d steps; at most %d are allowed", count,
                    STEPS_MAX);
    for (int i = 0; i < count && count <= STEPS_MAX; i++)
        add_element(reading, config_setting_get_elem(list, (unsigned)i));
}

static void
add_preset(struct reading *reading, const struct config_setting_t *setting)
{
    char name[32] = "";
    const struct key key = { .name = "preset", .words = steps_presets, .max = sizeof name };

    key_read_word(reading->reader, &key, setting, name);
    reading->setting = setting;
    reading->key = "preset";
    for (size_t i = 0; i < ARRAY_SIZE(presets); i++) {
        if (strcmp(presets[i].name, name) != 0)
            continue;
        for (int k = 0; k < PRESET_STEPS && presets[i].steps[k].form != NULL; k++)
            add(reading, form_of(presets[i].steps[k].form), presets[i].steps[k].text);
    }
}

/* ---- the group ---- */

enum { WAYS = 4 };
static const char *const ways[WAYS] = { "send", "expect", "steps", "preset" };

void
steps_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
           void *into)
{
    const config_setting_t *found[WAYS];
    struct reading reading = { .reader = reader, .steps = into };
    bool is_first = true;
    int count = 0;

    for (int i = 0; i < WAYS; i++) {
        found[i] = config_setting_get_member(setting->parent, ways[i]);
        count += found[i] != NULL && (i != 1 || found[0] == NULL);  /* the first two go together */
        if (found[i] != NULL && is_first) {
            if (found[i] != setting)
                return;             /* that one reads all */
            is_first = false;
        }
    }
    steps_fini(into);
    if (count > 1)
        key_problem(reader, setting, key->name,
                    "there is more than one way here to say what is sent and expected; use "
                    "send and expect, or steps, or preset");
    for (int i = 0; i < 2; i++) {
        if (found[i] != NULL)
            add_setting(&reading, form_of(ways[i]), found[i]);
    }
    if (found[2] != NULL)
        add_list(&reading, found[2]);
    if (found[3] != NULL)
        add_preset(&reading, found[3]);
}

bool
steps_are_told(const struct config_setting_t *group)
{
    for (int i = 0; group->type == CONFIG_TYPE_GROUP && i < WAYS; i++) {
        if (config_setting_get_member(group, ways[i]) != NULL)
            return true;
    }
    return false;
}
