/*
 * document - the text of one configuration file as a tree of libconfig settings.
 *
 * Files in libconfig's syntax and in JSON both become such a tree, so that one set of
 * readers (app_read.h) serves both. libconfig.h itself is included where the tree is
 * walked or built only: its macros collide with config.h.
 */
#ifndef FPROXY_CONFIG_DOCUMENT_H
#define FPROXY_CONFIG_DOCUMENT_H

#include <stddef.h>

#include "config/problem.h"

struct config_setting_t;

/* Which keys a document has: all of ours, or those of the fly-style JSON. */
enum syntax { SYNTAX_OURS, SYNTAX_FLY, SYNTAXES };

struct document;    /* owns the tree */

/* `text` ends with a NUL byte beyond `length`. 0 and `*document`; -EINVAL when it does not
 * parse (then the problems say why), -ENOMEM. */
int document_parse(const char *text, size_t length, struct problems *problems,
                   struct document **document);

/* An empty document, for those that build the tree themselves. NULL without memory. */
struct document *document_create(void);
void document_destroy(struct document *document);

/* The group that everything lies in. Lives as long as the document. */
struct config_setting_t *document_root(struct document *document);

#endif
