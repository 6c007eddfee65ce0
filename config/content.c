#include "config/content.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/files.h"
#include "config/json.h"
#include "config/ports_told.h"
#include "config/sections.h"
#include "config/settings_read.h"

const char *const group_names[GROUPS] = { "daemon", "defaults" };

/* What is at hand while one file is read. */
struct reading {
    struct content *content;
    const char *path;
    const struct app_draft *defaults;
    struct claims *scratch;
};

/* A list of errors and the problems that go into it. */
struct sink {
    struct error_sink errors;
    struct problems problems;
};

static void
sink_init(struct sink *sink, struct error_list *list, const char *path)
{
    sink->errors = (struct error_sink){ .list = list, .file = path, .app = "" };
    sink->problems = (struct problems){ .report = errors_add, .context = &sink->errors };
}

static int
sink_result(const struct sink *sink, int rc)
{
    return sink->errors.out_of_memory ? -ENOMEM : rc;
}

int
content_unreadable(struct content *content, const char *path, const char *why)
{
    struct sink sink;

    *content = (struct content){ .opaque = true };
    sink_init(&sink, &content->errors, path);
    problem_tell(&sink.problems, 0, "", "%s", why);
    return sink_result(&sink, 0);
}

static int
read_group(struct reading *reading, int which, const struct config_setting_t *section)
{
    struct file_group *group = calloc(1, sizeof *group);
    struct settings settings;
    struct app_draft draft;
    struct sink sink;
    int rc;

    if (group == NULL)
        return -ENOMEM;
    reading->content->groups[which] = group;
    group->present = true;
    group->line = section_line(section);
    sink_init(&sink, &group->errors, reading->path);
    if (which == GROUP_DAEMON) {
        settings_defaults(&settings);
        rc = settings_read(section, "daemon.", &sink.problems, &settings);
        group->text = settings_print(&settings);
    } else {
        app_draft_init(&draft);
        rc = app_read_defaults(section, &sink.problems, &draft);
        group->text = app_defaults_print(&draft);
        app_draft_fini(&draft);
    }
    group->broken = sink.problems.count > 0;
    if (group->text == NULL)
        rc = -ENOMEM;
    return sink_result(&sink, rc);
}

static struct file_app *
next_app(struct content *content)
{
    uint32_t room = content->app_room == 0 ? 1 : content->app_room * 2;
    struct file_app *apps = content->apps;

    if (content->app_count == content->app_room) {
        apps = reallocarray(apps, room, sizeof *apps);
        if (apps == NULL)
            return NULL;
        content->apps = apps;
        content->app_room = room;
    }
    apps += content->app_count;
    memset(apps, 0, sizeof *apps);
    return apps;
}

/* A port of the app itself. 0 or -ENOMEM. */
static int
check_port(struct claims *scratch, const struct address *address, const struct port_span *span,
           struct ports_told *told)
{
    const struct claim *before;
    struct claims_walk walk;

    claims_walk(&walk, scratch, address);
    before = claims_next(&walk);
    if (before == NULL)
        return claims_add(scratch, address, span, NULL);
    ports_told_add(
        told, address, span->line,
        &(struct port_holder){ .line = before->span->line, .address = before->address });
    return 0;
}

/* Within the app; against others it is decided later. */
static int
check_ports(struct reading *reading, const struct app_facts *facts, struct problems *problems)
{
    struct ports_told told;
    int rc = 0;

    if (facts->span_count <= 1)
        return 0;
    ports_told_begin(&told, problems,
                     reading->content->syntax == SYNTAX_FLY ? "Ports" : "ports");
    for (uint32_t i = 0; i < facts->span_count && rc == 0; i++) {
        struct address address = facts->spans[i].address;

        for (uint32_t port = address.port; port <= facts->spans[i].last && rc == 0; port++) {
            address.port = (uint16_t)port;
            rc = check_port(reading->scratch, &address, &facts->spans[i], &told);
        }
    }
    ports_told_end(&told);
    claims_reset(reading->scratch);
    return rc;
}

/* Takes `facts` over. */
static int
keep_app(struct content *content, const char *name, struct app_draft *draft,
         const struct config_setting_t *group, struct app_facts *facts, size_t first_error)
{
    struct file_app *app = next_app(content);

    if (app == NULL || (facts->text != NULL &&
                        file_uses_read(group, &draft->app, &app->files) < 0)) {
        app_facts_unref(facts);
        return -ENOMEM;
    }
    snprintf(app->name, sizeof app->name, "%s", name);
    app->line = draft->line;
    app->error = (uint32_t)first_error;
    app->facts = facts;
    content->app_count++;
    return 0;
}

static int
read_app(struct reading *reading, const struct config_setting_t *group)
{
    struct content *content = reading->content;
    const char *name = app_read_name(group, content->syntax);
    size_t first_error = content->errors.count;
    struct app_facts *facts = NULL;
    struct app_draft draft;
    struct sink sink;
    int rc;

    sink_init(&sink, &content->errors, reading->path);
    sink.errors.app = name;
    rc = app_read(group, content->syntax, reading->defaults, &sink.problems, &draft);
    if (rc == 0)
        rc = app_facts_create(&draft, &facts);
    if (rc == 0)
        rc = check_ports(reading, facts, &sink.problems);
    if (rc == 0 && sink.problems.count == 0)
        rc = app_facts_print(facts, &draft.app);
    if (name[0] == '\0' || content->errors.dropped > 0)
        content->opaque = true; /* which one is it? */
    if (rc == 0 && name[0] != '\0' && (facts->text != NULL || !content->errors.dropped)) {
        rc = keep_app(content, name, &draft, group, facts, first_error);
        facts = NULL;
    }
    app_facts_unref(facts);
    app_draft_fini(&draft);
    return sink_result(&sink, rc);
}

static int
read_sections(struct reading *reading, const struct sections *sections)
{
    unsigned count = section_app_count(sections);
    int rc = 0;

    if (sections->apps_unknown)
        reading->content->opaque = true;
    if (sections->daemon != NULL)
        rc = read_group(reading, GROUP_DAEMON, sections->daemon);
    if (rc == 0 && sections->defaults != NULL)
        rc = read_group(reading, GROUP_DEFAULTS, sections->defaults);
    for (unsigned i = 0; i < count && rc == 0; i++)
        rc = read_app(reading, section_app(sections, i));
    return rc;
}

/* What some editors put before UTF-8; neither parser knows it. */
static const char byte_order_mark[] = "\xef\xbb\xbf";

int
content_read(struct content *content, const char *path, const char *text, size_t length,
             const struct app_draft *defaults, struct claims *scratch)
{
    struct reading reading = { content, path, defaults, scratch };
    struct document *document;
    struct sections sections;
    struct sink sink;
    int rc;

    *content = (struct content){ .syntax = file_is_json(path) ? SYNTAX_FLY : SYNTAX_OURS };
    if (length >= strlen(byte_order_mark) &&
        memcmp(text, byte_order_mark, strlen(byte_order_mark)) == 0) {
        text += strlen(byte_order_mark);
        length -= strlen(byte_order_mark);
    }
    sink_init(&sink, &content->errors, path);
    rc = (content->syntax == SYNTAX_FLY ? json_parse : document_parse)(
        text, length, &sink.problems, &document);
    if (rc < 0) {
        content->opaque = true;
        return sink_result(&sink, rc == -EINVAL ? 0 : rc);
    }
    sections_read(document, content->syntax, &sink.problems, &sections);
    content->opaque = sink.problems.count > 0; /* `app = (...)` may have been meant as apps */
    rc = read_sections(&reading, &sections);
    document_destroy(document);
    return sink_result(&sink, rc);
}

void
content_fini(struct content *content)
{
    for (uint32_t i = 0; i < content->app_count; i++) {
        app_facts_unref(content->apps[i].facts);
        file_uses_fini(&content->apps[i].files);
    }
    free(content->apps);
    for (int i = 0; i < GROUPS; i++) {
        if (content->groups[i] == NULL)
            continue;
        free(content->groups[i]->text);
        error_list_fini(&content->groups[i]->errors);
        free(content->groups[i]);
    }
    error_list_fini(&content->errors);
    *content = (struct content){ 0 };
}

char *
content_opaque_reason(const struct content *content, const char *path)
{
    const struct error_list *list = &content->errors;
    char *text;

    for (size_t i = 0; i < list->count; i++)
        if (list->errors[i].app[0] == '\0')
            return config_error_text(&list->errors[i]);
    return asprintf(&text, "%s: has more errors than are kept", path) < 0 ? NULL : text;
}
