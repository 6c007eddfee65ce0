/*
 * facts - one app as it was read: its canonical text and its ports, counted references.
 *
 * Shared by the file that says so and by what was taken of it, so that thousands of apps lie
 * in memory once. One thread.
 */
#ifndef FPROXY_CONFIG_FACTS_H
#define FPROXY_CONFIG_FACTS_H

#include "base/shared_text.h"
#include "config/app_read.h"
#include "config/claims.h"

struct app_facts {
    uint32_t refs;
    uint32_t span_count;
    struct shared_text *text;   /* canonical, a reference; NULL: the app has errors */
    struct port_span spans[];   /* in the order of the ports */
};

/* The ports of a draft, without a text. 0 or -ENOMEM. */
int app_facts_create(const struct app_draft *draft, struct app_facts **facts);
/* Adds the canonical text. 0 or -ENOMEM. */
int app_facts_print(struct app_facts *facts, const struct app_config *app);
/* Of a canonical text; lines are not known. 0; -EINVAL when it is none; -ENOMEM. */
int app_facts_parse(const char *text, struct app_facts **facts);

/* Have they the same text, or none? */
bool app_facts_same(const struct app_facts *one, const struct app_facts *other);

/* `facts` has the same text as `other`: from now on, it is one. */
void app_facts_share_text(struct app_facts *facts, const struct app_facts *other);

struct app_facts *app_facts_ref(struct app_facts *facts);
void app_facts_unref(struct app_facts *facts);  /* NULL is fine */

#endif
