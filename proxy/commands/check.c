/*
 * check - `fproxy check [PATH]`: all errors of a configuration, without a running supervisor.
 *
 * Errors and warnings go to standard error, one a line, as every compiler and editor knows them
 * (FILE:LINE: ..., FILE:LINE: warning: ...); the summary goes to standard output.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dirs.h"
#include "config/config.h"
#include "proxy/commands/check_files.h"
#include "proxy/commands/command.h"
#include "proxy/supervisor/ports.h"
#include "proxy/supervisor/supervisor.h"

struct check_options {
    const char *path;           /* NULL: where the supervisor would look */
    bool json;
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct check_options *options = state->input;

    switch (key) {
    case 'j':
        options->json = true;
        return 0;
    case 'c':
    case ARGP_KEY_ARG:
        if (options->path != NULL)
            argp_error(state, "one PATH only: `%s' is too much", arg);
        if (arg[0] == '\0')
            argp_error(state, "an empty path names nothing");
        options->path = arg;
        return 0;
    default:        /* where a daemon is, nobody asks here */
        return command_place_option(key, arg, state, &(struct supervisor_options){ 0 });
    }
}

static const struct argp_option option_rows[] = {
    OPTION_ROWS_PLACES,
    { "json", 'j', NULL, 0, "Print the result as JSON", 0 },
    { 0 },
};
static const struct argp argp = {
    .options = option_rows,
    .parser = parse_option,
    .args_doc = "[PATH]",
    .doc = "Tell every error of a configuration: a directory of *.conf and *.json, or one "
           "file.\vWithout PATH: what FPROXY_CONFIG_PATH names, else the default. The status "
           "is 0 when all is valid, also with warnings, 1 when not, 2 when PATH cannot be read.",
};

/* Paths may hold any bytes, JSON may not. */
static json_t *
json_text(const char *text)
{
    json_t *json = json_string(text);
    char *plain;

    if (json != NULL || (plain = strdup(text)) == NULL)
        return json;
    for (char *at = plain; *at != '\0'; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    json = json_string(plain);
    free(plain);
    return json;
}

static json_t *
app_json(const struct config_app *entry)
{
    json_t *ports = json_array(), *targets = json_array();
    char text[ADDRESS_TEXT_BYTES];

    for (uint32_t i = 0; i < entry->app.port_count; i++) {
        const struct app_listen *port = &entry->app.ports[i];

        json_array_append_new(ports, port->address.family == 0
                                         ? json_integer(port->address.port)
                                         : json_string(port_text(port, text)));
    }
    for (uint32_t i = 0; i < entry->app.target_count; i++)
        json_array_append_new(targets, json_string(entry->app.targets[i].name));
    return json_pack("{s:s, s:o, s:o, s:o}", "name", entry->app.name, "ports", ports,
                     "targets", targets, "source", json_text(entry->source));
}

static json_t *
error_json(const struct config_error *error)
{
    return json_pack("{s:o, s:I, s:s, s:s, s:s}", "file", json_text(error->file), "line",
                     (json_int_t)error->line, "app", error->app, "key", error->key, "message",
                     error->message);
}

static void
add_errors(json_t *json, const struct config_error *errors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_array_append_new(json, error_json(&errors[i]));
}

/* All there are, those that were not kept as well. */
static size_t
error_count(const struct config *config, const struct check_files *files)
{
    return config->error_count + config->errors_dropped + files->errors.count +
           files->errors.dropped;
}

static bool
print_json(const struct config *config, const struct check_files *files)
{
    json_t *apps = json_array(), *errors = json_array(), *warnings = json_array(), *json;
    bool printed;

    for (size_t i = 0; i < config->app_count; i++)
        json_array_append_new(apps, app_json(&config->apps[i]));
    add_errors(errors, config->errors, config->error_count);
    add_errors(errors, files->errors.errors, files->errors.count);
    add_errors(warnings, files->warnings.errors, files->warnings.count);
    json = json_pack("{s:b, s:I, s:o, s:o, s:o}", "valid", error_count(config, files) == 0,
                     "files", (json_int_t)config->file_count, "apps", apps, "errors", errors,
                     "warnings", warnings);
    printed = json != NULL && json_dumpf(json, stdout, JSON_INDENT(2)) == 0;
    putchar('\n');
    json_decref(json);
    return printed;
}

static const char *
plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void
print_errors(const struct config_error *errors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *text = config_error_text(&errors[i]);

        fprintf(stderr, "%s\n", text != NULL ? text : "out of memory");
        free(text);
    }
}

/* As compilers write them. */
static void
print_warnings(const struct config_error *warnings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s:%u: warning: %s: %s: %s\n", warnings[i].file, warnings[i].line,
                warnings[i].app, warnings[i].key, warnings[i].message);
}

static void
print_dropped(const char *path, size_t dropped, const char *what)
{
    if (dropped > 0)
        fprintf(stderr, "%s: and %zu more %s%s\n", path, dropped, what, plural(dropped));
}

static void
print_summary(const struct config *config, const struct check_files *files, const char *path)
{
    size_t errors = error_count(config, files), apps = config->app_count - files->apps_refused;
    size_t warnings = files->warnings.count + files->warnings.dropped;
    char told[48] = "";

    if (warnings > 0)
        snprintf(told, sizeof told, ", %zu warning%s", warnings, plural(warnings));
    if (errors > 0)
        printf("%s: not valid: %zu error%s%s; %zu app%s of %zu file%s could be used\n", path,
               errors, plural(errors), told, apps, plural(apps), config->file_count,
               plural(config->file_count));
    else
        printf("%s: valid: %zu app%s in %zu file%s%s\n", path, apps, plural(apps),
               config->file_count, plural(config->file_count), told);
    if (errors == 0 && apps == 0)
        printf("There is nothing to serve yet: write an app into a *.conf there.\n");
}

static void
print_text(const struct config *config, const struct check_files *files, const char *path)
{
    print_errors(config->errors, config->error_count);
    print_errors(files->errors.errors, files->errors.count);
    print_dropped(path, config->errors_dropped + files->errors.dropped, "error");
    print_warnings(files->warnings.errors, files->warnings.count);
    print_dropped(path, files->warnings.dropped, "warning");
    print_summary(config, files, path);
}

/* The exit status. */
static int
print(const struct config *config, const struct check_options *options, const char *path,
      const char *command)
{
    struct check_files files;
    int status = CLI_USAGE;

    if (check_files_look(&files, config) < 0) {
        fprintf(stderr, "%s: no memory\n", command);
    } else {
        status = error_count(config, &files) == 0 ? CLI_YES : CLI_NO;
        if (!options->json)
            print_text(config, &files, path);
        else if (!print_json(config, &files))
            status = CLI_USAGE;
    }
    check_files_fini(&files);
    return status;
}

int
command_check(int argc, char **argv)
{
    struct check_options options = { 0 };
    char path[PATH_BYTES];
    struct config *config;
    int rc, status;

    cli_parse(&argp, argc, argv, &options);
    rc = dirs_resolve(DIR_CONFIG, options.path, NULL, path);
    if (rc < 0) {
        fprintf(stderr, "%s: no configuration is known (%s): name a PATH or set "
                        "FPROXY_CONFIG_PATH\n", argv[0], strerror(-rc));
        return CLI_USAGE;
    }
    rc = config_load(path, &config);
    if (rc < 0) {
        fprintf(stderr, "%s: %s cannot be read: %s; name a directory or a file, or set "
                        "FPROXY_CONFIG_PATH\n", argv[0], path, strerror(-rc));
        return CLI_USAGE;
    }
    status = print(config, &options, path, argv[0]);
    config_free(config);
    return status;
}
