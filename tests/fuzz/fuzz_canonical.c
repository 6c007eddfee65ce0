/*
 * What a child does with the text it receives: whatever it is, it is refused with a reason
 * or reads back as it was printed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/app.h"
#include "config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_app(const char *text)
{
    struct app_config app, again;
    char why[DETAIL_BYTES] = "", *printed, *printed_again;

    if (app_config_parse(text, &app, why) != 0) {
        if (why[0] == '\0')
            abort();
        return;
    }
    printed = app_config_print(&app);
    if (printed == NULL || app_config_parse(printed, &again, why) != 0)
        abort();
    printed_again = app_config_print(&again);
    if (printed_again == NULL || strcmp(printed, printed_again) != 0)
        abort();
    app_config_fini(&app);
    app_config_fini(&again);
    free(printed);
    free(printed_again);
}

static void
check_settings(const char *text)
{
    struct settings settings, again;
    char why[DETAIL_BYTES] = "", *printed, *printed_again;

    if (settings_parse(text, &settings, why) != 0) {
        if (why[0] == '\0')
            abort();
        return;
    }
    printed = settings_print(&settings);
    if (printed == NULL || settings_parse(printed, &again, why) != 0)
        abort();
    printed_again = settings_print(&again);
    if (printed_again == NULL || strcmp(printed, printed_again) != 0)
        abort();
    free(printed);
    free(printed_again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    check_app(text);
    check_settings(text);
    free(text);
    return 0;
}
