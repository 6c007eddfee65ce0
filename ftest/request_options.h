/*
 * request_options - what ping and simulate let one say about requests: an argp child.
 */
#ifndef FPROXY_FTEST_REQUEST_OPTIONS_H
#define FPROXY_FTEST_REQUEST_OPTIONS_H

#include <argp.h>
#include <stdbool.h>

#include "ftest/exchange.h"

struct request_options {
    struct request request;     /* its texts belong to argv, or to the process for ever */
    uint64_t timeout_ns;        /* of one request */
    int family;                 /* AF_UNSPEC, AF_INET (-4), AF_INET6 (-6) */
    bool json;
    bool verify_echo;           /* set before: without an expectation the reply is the data */
    const char *data;
    const char *expect;
    size_t size, reply_size;
};

/* Its input is a struct request_options, zeroed but for `verify_echo`; the defaults and the
 * request are there when the parsing has ended. */
extern const struct argp request_options_argp;

/* For the options that other commands share with these. Exits with a message. */
uint64_t request_options_duration(const char *arg, const char *option,
                                  struct argp_state *state);
uint64_t request_options_count(const char *arg, uint64_t max, const char *option,
                               struct argp_state *state);
size_t request_options_size(const char *arg, const char *option, struct argp_state *state);

#endif
