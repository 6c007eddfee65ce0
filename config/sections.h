/*
 * sections - the keys at the top of a file: daemon, defaults, apps; or Apps.
 */
#ifndef FPROXY_CONFIG_SECTIONS_H
#define FPROXY_CONFIG_SECTIONS_H

#include <stdbool.h>

#include "config/document.h"

struct sections {
    const struct config_setting_t *daemon;      /* all borrowed from the document; NULL: */
    const struct config_setting_t *defaults;    /* not there, or not of the right type */
    const struct config_setting_t *apps;
    bool apps_unknown;          /* there is a key `apps`, but no list */
};

/* Tells of other keys and wrong types. */
void sections_read(struct document *document, enum syntax syntax, struct problems *problems,
                   struct sections *sections);

unsigned section_line(const struct config_setting_t *section);
/* How many apps; and one of them. */
unsigned section_app_count(const struct sections *sections);
const struct config_setting_t *section_app(const struct sections *sections, unsigned index);

#endif
