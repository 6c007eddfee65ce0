/*
 * curl_failed - what libcurl's errors mean for a probe: its reasons, in words for people.
 */
#ifndef FPROXY_PROBES_CURL_FAILED_H
#define FPROXY_PROBES_CURL_FAILED_H

#include <curl/curl.h>
#include <stdbool.h>

struct curl_run;

/* True: it never connected, for `*error`, an errno. */
bool curl_failed_to_connect(const struct curl_run *run, CURLcode code, int *error);

/* Otherwise: tells the run what went wrong, as judge() would. */
void curl_failed_tell(struct curl_run *run, CURLcode code);

#endif
