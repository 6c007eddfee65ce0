/*
 * The text of a configuration file through the whole of parsing and validation: the first
 * byte says in which syntax. What validates must print and read back.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/load.h"
#include "config/set_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_app(const struct app_config *app)
{
    struct app_config again;
    char why[DETAIL_BYTES], *text = app_config_print(app), *text_again;

    assert(text != NULL);
    assert(strlen(text) < APP_TEXT_BYTES_MAX);
    if (app_config_parse(text, &again, why) != 0)
        abort();
    text_again = app_config_print(&again);
    if (strcmp(text, text_again) != 0)
        abort();
    app_config_fini(&again);
    free(text_again);
    free(text);
}

static void
check_settings(const struct settings *settings)
{
    struct settings again;
    char why[DETAIL_BYTES], *text = settings_print(settings);

    assert(text != NULL);
    if (settings_parse(text, &again, why) != 0)
        abort();
    free(text);
}

static void
check_errors(const struct config *config)
{
    for (size_t i = 0; i < config->error_count; i++) {
        char *text = config_error_text(&config->errors[i]);

        for (const char *at = text; *at != '\0'; at++)
            if (*at < ' ' || *at > '~')
                abort(); /* not fit for a terminal */
        free(text);
    }
}

static void
add_file(struct config_set *set, const char *path, const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (text == NULL)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    if (set_files_add(set, path, text, size) != 0)
        abort();
}

static void
check_change(const struct config_change *change)
{
    struct app_config app;
    char why[DETAIL_BYTES];

    for (size_t i = 0; i < change->item_count; i++) {
        const struct config_item *item = &change->items[i];

        if (item->app[0] == '\0' || item->source == NULL)
            abort();
        if (item->op == CONFIG_BROKEN && item->reason == NULL)
            abort();
        if (item->op != CONFIG_SET)
            continue;
        if (app_config_parse(item->text->bytes, &app, why) != 0)
            abort();
        app_config_fini(&app);
    }
}

/* Two files, parted by the byte 0x1e: what one says against the other, and that nothing is said
 * twice. */
static void
check_set(const char *path, const uint8_t *data, size_t size)
{
    const uint8_t *part = memchr(data, 0x1e, size);
    struct config_set *set = config_set_create("");
    struct config_change *change;

    if (set == NULL)
        abort();
    add_file(set, path, data, part != NULL ? (size_t)(part - data) : size);
    if (part != NULL)
        add_file(set, "y.conf", part + 1, size - (size_t)(part + 1 - data));
    if (set_settle(set) != 0 || config_set_take(set, &change) != 0)
        abort();
    check_change(change);
    config_change_free(change);
    if (set_settle(set) != 0 || config_set_take(set, &change) != 0)
        abort();
    if (change->error_count > 0)
        abort();
    config_change_free(change);
    config_set_destroy(set);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct loader *loader;
    struct config *config;
    const char *path;
    char *text;

    if (size == 0)
        return 0;
    path = data[0] == 'j' ? "x.json" : "x.conf";
    loader = loader_create();
    text = malloc(size);
    if (loader == NULL || text == NULL)
        abort();
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    loader_add_text(loader, path, text, size - 1);
    free(text);
    if (loader_finish(loader, &config) != 0)
        abort();
    for (size_t i = 0; i < config->app_count; i++)
        check_app(&config->apps[i].app);
    if (config->error_count == 0)
        check_settings(&config->settings);
    check_errors(config);
    config_free(config);
    check_set(path, data + 1, size - 1);
    return 0;
}
