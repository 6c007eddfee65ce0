#include "config/facts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/shared_text.h"

static bool
continues(const struct port_span *span, const struct address *address, unsigned line)
{
    return address->port == span->last + 1 && line == span->line &&
           address->family == span->address.family && address->scope == span->address.scope &&
           memcmp(address->ip, span->address.ip, sizeof address->ip) == 0;
}

int
app_facts_create(const struct app_draft *draft, struct app_facts **out)
{
    uint32_t count = draft->app.port_count, spans = 0;
    struct app_facts *facts = malloc(sizeof *facts + count * sizeof facts->spans[0]), *fitted;

    if (facts == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const struct address *address = &draft->app.ports[i].address;
        unsigned line = draft->port_lines != NULL ? draft->port_lines[i] : 0;

        if (spans > 0 && continues(&facts->spans[spans - 1], address, line))
            facts->spans[spans - 1].last = address->port;
        else
            facts->spans[spans++] = (struct port_span){ *address, address->port, line };
    }
    *facts = (struct app_facts){ .refs = 1, .span_count = spans };
    fitted = realloc(facts, sizeof *facts + spans * sizeof facts->spans[0]);
    *out = fitted != NULL ? fitted : facts;
    return 0;
}

int
app_facts_print(struct app_facts *facts, const struct app_config *app)
{
    char *text = app_config_print(app);

    assert(facts->text == NULL);
    facts->text = shared_text_create(text);
    free(text);
    return facts->text != NULL ? 0 : -ENOMEM;
}

int
app_facts_parse(const char *text, struct app_facts **out)
{
    struct app_draft draft = { 0 };
    struct app_facts *facts;
    char why[DETAIL_BYTES];
    int rc = app_config_parse(text, &draft.app, why);

    if (rc < 0)
        return rc;
    rc = app_facts_create(&draft, &facts);
    app_draft_fini(&draft);
    if (rc < 0)
        return rc;
    facts->text = shared_text_create(text);
    if (facts->text == NULL) {
        app_facts_unref(facts);
        return -ENOMEM;
    }
    *out = facts;
    return 0;
}

bool
app_facts_same(const struct app_facts *one, const struct app_facts *other)
{
    if (one->text == NULL || other->text == NULL || one->text == other->text)
        return one->text == other->text;
    return strcmp(one->text->bytes, other->text->bytes) == 0;
}

void
app_facts_share_text(struct app_facts *facts, const struct app_facts *other)
{
    struct shared_text *text = facts->text;

    facts->text = shared_text_ref(other->text);
    shared_text_unref(text);
}

struct app_facts *
app_facts_ref(struct app_facts *facts)
{
    facts->refs++;
    return facts;
}

void
app_facts_unref(struct app_facts *facts)
{
    if (facts == NULL || --facts->refs > 0)
        return;
    shared_text_unref(facts->text);
    free(facts);
}
