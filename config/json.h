/*
 * json - the JSON that fly-style configurations are written in:
 * {"Apps": [{"Name": "...", "Ports": [5001], "Targets": ["host:5001"]}]}
 */
#ifndef FPROXY_CONFIG_JSON_H
#define FPROXY_CONFIG_JSON_H

#include "config/document.h"

/* As document_parse(); the tree has the keys of SYNTAX_FLY and the lines of the JSON text. */
int json_parse(const char *text, size_t length, struct problems *problems,
               struct document **document);

#endif
