/*
 * curl_loop - libcurl's transfers on a libevent loop: one multi handle for each event_base, made
 * for its first user and gone with its last.
 *
 * The loop's thread only. The first one makes the process ignore SIGPIPE, which OpenSSL would
 * raise for targets that hang up.
 */
#ifndef FPROXY_PROBES_CURL_LOOP_H
#define FPROXY_PROBES_CURL_LOOP_H

#include <curl/curl.h>

struct curl_loop;
struct event_base;
struct curl_transfer;

/* From the loop, never from inside of libcurl; `easy` is the caller's again. May add and remove
 * others. */
typedef void curl_transfer_end_fn(struct curl_transfer *transfer, CURLcode code);

/* A part of what its owner keeps for the transfer. */
struct curl_transfer {
    CURL *easy;                 /* the owner's, who frees it after on_end or a removal */
    curl_transfer_end_fn *on_end;
};

/* NULL without memory. */
struct curl_loop *curl_loop_get(struct event_base *base);
void curl_loop_put(struct curl_loop *loop);

/* Begins it on the next turn of the loop: on_end follows once unless it is removed. 0, -ENOMEM. */
int curl_loop_add(struct curl_loop *loop, struct curl_transfer *transfer);
/* Closes its connection. */
void curl_loop_remove(struct curl_loop *loop, struct curl_transfer *transfer);

#endif
