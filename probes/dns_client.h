/*
 * dns_client - c-ares on a libevent loop: one question, one answer, at most 7 s.
 *
 * The loop's thread only. `done` is called from the loop, never from inside ask() and never
 * from inside c-ares, so it may ask, cancel or destroy whatever it likes.
 */
#ifndef FPROXY_PROBES_DNS_CLIENT_H
#define FPROXY_PROBES_DNS_CLIENT_H

#include <stdint.h>

#include "base/address.h"
#include "probes/dns_reply.h"

struct event_base;
struct dns_client;
struct dns_query;

struct dns_client_options {
    const struct address *servers;  /* borrowed for as long as the client lives */
    uint32_t server_count;          /* 0: those of resolv.conf */
    const char *resolv_conf;        /* borrowed; NULL: /etc/resolv.conf */
    uint32_t timeout_ms;            /* of one try */
    uint32_t tries;                 /* rounds over all servers */
};

/* `reply` is valid during the call, which may change it and take its services over; the query is
 * freed after it. */
typedef void dns_done_fn(void *context, struct dns_reply *reply);

/* NULL when c-ares cannot start. */
struct dns_client *dns_client_create(struct event_base *base,
                                     const struct dns_client_options *options);
/* Queries that still run are freed; their `done` is not called. */
void dns_client_destroy(struct dns_client *client);

/* Takes new options and reads resolv.conf again. What is asked already goes on with the old
 * servers. 0, or -EIO: everything stays as it was. */
int dns_client_reset(struct dns_client *client, const struct dns_client_options *options);

/* NULL without memory: `done` is not called. */
struct dns_query *dns_client_ask(struct dns_client *client, const char *name,
                                 enum dns_family family, dns_done_fn *done, void *context);
/* `done` is not called any more; the query is gone. */
void dns_query_cancel(struct dns_query *query);

#endif
