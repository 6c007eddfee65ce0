/*
 * app_read - the settings of one app, checked, into a struct app_config.
 *
 * Serves files of both syntaxes and the canonical text alike. What concerns several apps
 * (the same name, the same port) is claims.h's.
 */
#ifndef FPROXY_CONFIG_APP_READ_H
#define FPROXY_CONFIG_APP_READ_H

#include <stdbool.h>

#include "config/app.h"
#include "config/document.h"

struct config_setting_t;

/* Of a duration that follows another one, while that may still change. */
#define APP_DURATION_OPEN UINT32_MAX

/* An app while it is read: values that follow others are still open. */
struct app_draft {
    struct app_config app;
    unsigned line;              /* where the app begins; 0: the defaults */
    unsigned *port_lines;       /* owned; of each of app.ports */
};

/* Where the values of an app that says nothing come from. Allocates nothing, but reading does. */
void app_draft_init(struct app_draft *draft);
void app_draft_fini(struct app_draft *draft);

/* The group `defaults` into a draft that app_draft_init() filled: all keys but name, ports
 * and targets. 0 or -ENOMEM; what is wrong is told and left as it was. */
int app_read_defaults(const struct config_setting_t *group, struct problems *problems,
                      struct app_draft *defaults);

/* The canonical text of such a draft, on the heap, or NULL; and back, as app_config_parse(): a
 * draft that the caller is to fini.
 * It holds every key but name, ports and targets, those that are still open left out. */
char *app_defaults_print(const struct app_draft *defaults);
int app_defaults_parse(const char *text, struct app_draft *defaults, char *why);

/* One app, on top of `defaults`. The draft is the caller's to fini in any case; problems were
 * told when problems->count grew. 0 or -ENOMEM. */
int app_read(const struct config_setting_t *group, enum syntax syntax,
             const struct app_draft *defaults, struct problems *problems,
             struct app_draft *draft);

/* The name of an app that is no more than looked at; "" when it has no valid one. */
const char *app_read_name(const struct config_setting_t *group, enum syntax syntax);

/* The names of strategies that a configuration may ask for, ended by NULL. Mirrors
 * strategy_table, which lies in a layer that this one may not include. */
extern const char *const app_strategy_names[];

#endif
