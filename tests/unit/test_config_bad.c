/*
 * What an operator may get wrong, and what is said about it: text in, message out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/load.h"

/* An app that is right but for what follows. */
#define APP(rest)        "apps = ( { name = \"a\"; ports = 80; targets = \"t:1\"; " rest " } );"
#define PORTS(ports)     "apps = ( { name = \"a\"; ports = " ports "; targets = \"t:1\"; } );"
#define TARGETS(targets) "apps = ( { name = \"a\"; ports = 80; targets = " targets "; } );"
#define NAME(name)       "apps = ( { name = " name "; ports = 80; targets = \"t:1\"; } );"

#define DURATIONS "\"250ms\", \"5s\", \"1m\", \"1h\", \"1d\" or a number of milliseconds"
#define KINDS                                                                                  \
    "\"tcp\", \"exchange\", \"http\", \"https\", \"tls\", \"grpc\", \"exec\", \"helper\", \"dns\", "      \
    "\"push\", \"traffic\", \"none\""
#define PROBE_KEYS                                                                             \
    "kind, name, role, interval, timeout, rise, fall, window, threshold, jitter, port, "       \
    "address, send, expect, steps, preset, close, proxy_protocol, method, path, host, status, body, headers, " \
    "sni, ca, verify, certificate_warn, service, tls, command, user, cpu_time, type, ttl"
#define APP_KEYS                                                                               \
    "name, ports, targets, strategy, probe, probes, probes_require, initial, panic, "           \
    "panic_hold, eject, ready, connect, idle_timeout, "                                        \
    "half_close_timeout, drain_timeout, handover_timeout, user_timeout, slow_start, "          \
    "flap_damping, worker, threads, endpoints_max"

struct wrong {
    const char *text;
    const char *messages; /* all of them, one a line */
};

static struct config *
load(const char *path, const char *text, size_t length)
{
    struct loader *loader = loader_create();
    struct config *config;

    assert_non_null(loader);
    assert_int_equal(loader_add_text(loader, path, text, length), 0);
    assert_int_equal(loader_finish(loader, &config), 0);
    return config;
}

static void
check(const char *path, const struct wrong *wrongs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct config *config = load(path, wrongs[i].text, strlen(wrongs[i].text));
        char all[8192] = "";

        for (size_t j = 0; j < config->error_count; j++) {
            char *text = config_error_text(&config->errors[j]);

            snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", j > 0 ? "\n" : "",
                     text);
            free(text);
        }
        if (strcmp(all, wrongs[i].messages) != 0)
            print_error("text: %s\n", wrongs[i].text);
        assert_string_equal(all, wrongs[i].messages);
        assert_int_equal(config->app_count, 0);
        config_free(config);
    }
}

static void
ports_that_cannot_be(void **state)
{
    static const struct wrong wrongs[] = {
        { PORTS("0"), "x.conf:1: a: ports: 0 is out of range; allowed is 1 to 65535" },
        { PORTS("-1"), "x.conf:1: a: ports: -1 is out of range; allowed is 1 to 65535" },
        { PORTS("65536"), "x.conf:1: a: ports: 65536 is out of range; allowed is 1 to 65535" },
        { PORTS("\"99999\""),
          "x.conf:1: a: ports: \"99999\" is out of range; allowed is 1 to 65535" },
        { PORTS("\"5300-70000\""),
          "x.conf:1: a: ports: \"5300-70000\" is out of range; allowed is 1 to 65535" },
        { PORTS("\"5310-5300\""), "x.conf:1: a: ports: \"5310-5300\" ends before it begins" },
        { PORTS("\"http\""),
          "x.conf:1: a: ports: \"http\" is no port; write 5001, \"5300-5310\", "
          "\"127.0.0.1:5500\", \"127.0.0.1:5500-5510\" or \"[::1]:5400\"" },
        { PORTS("\"80 \""),
          "x.conf:1: a: ports: \"80 \" is no port; write 5001, \"5300-5310\", "
          "\"127.0.0.1:5500\", \"127.0.0.1:5500-5510\" or \"[::1]:5400\"" },
        { PORTS("\"localhost:80\""), "x.conf:1: a: ports: \"localhost:80\": the address must "
                                     "be an IP address of this host; "
                                     "for all of them write the port alone" },
        { PORTS("\"::1:80\""), "x.conf:1: a: ports: \"::1:80\": an IPv6 address stands in "
                               "brackets, the port after them" },
        { PORTS("\"[::1]\""), "x.conf:1: a: ports: \"[::1]\": an IPv6 address stands in "
                              "brackets, the port after them" },
        { PORTS("\"[127.0.0.1]:80\""), "x.conf:1: a: ports: \"[127.0.0.1]:80\": only an IPv6 "
                                       "address stands in brackets" },
        { PORTS("true"),
          "x.conf:1: a: ports: a port cannot be true or false; write 5001, \"5300-5310\", "
          "\"127.0.0.1:5500\", \"127.0.0.1:5500-5510\" or \"[::1]:5400\"" },
        { PORTS("1.5"),
          "x.conf:1: a: ports: a port cannot be a number with a fraction; write 5001, "
          "\"5300-5310\", \"127.0.0.1:5500\", \"127.0.0.1:5500-5510\" or \"[::1]:5400\"" },
        { PORTS("( )"),
          "x.conf:1: a: ports: is empty; an app needs at least one port to listen "
          "on, such as 5001" },
        { PORTS("[ ]"),
          "x.conf:1: a: ports: is empty; an app needs at least one port to listen "
          "on, such as 5001" },
        { PORTS("(80,\n\n0,\n-1)"),
          "x.conf:3: a: ports: 0 is out of range; allowed is 1 to 65535\n"
          "x.conf:4: a: ports: -1 is out of range; allowed is 1 to 65535" },
        { PORTS("\"1-5000\""), "x.conf:1: a: ports: more than 4096 ports; split the app" },
        { PORTS("[80, \"81-90\"]"), "x.conf:1: syntax error: [ ] takes elements of one type "
                                    "only; write a list of numbers "
                                    "and strings in ( )" },
    };

    check("x.conf", wrongs, ARRAY_SIZE(wrongs));
}

static void
targets_that_cannot_be(void **state)
{
    static const struct wrong wrongs[] = {
        { TARGETS("( )"),
          "x.conf:1: a: targets: is empty; an app needs at least one target: write "
          "\"host:port\", \"10.0.0.7:5001\", \"[::1]:5001\" or { address = \"host:port\"; }" },
        { TARGETS("\"\""),
          "x.conf:1: a: targets: a target is empty; write \"host:port\", \"10.0.0.7:5001\", "
          "\"[::1]:5001\" or { address = \"host:port\"; }" },
        { TARGETS("\"host\""), "x.conf:1: a: targets: \"host\": no port: write host:port" },
        { TARGETS("\"host:\""),
          "x.conf:1: a: targets: \"host:\": no port after the colon: write host:port" },
        { TARGETS("\"[::1\""),
          "x.conf:1: a: targets: \"[::1\": the bracket is not closed: write "
          "[address]:port" },
        { TARGETS("\":80\""),
          "x.conf:1: a: targets: \":80\": no host before the port: write host:port" },
        { TARGETS("\"host:0\""),
          "x.conf:1: a: targets: \"host:0\": the port is out of range: 1 to 65535" },
        { TARGETS("\"host:65536\""),
          "x.conf:1: a: targets: \"host:65536\": the port is out of range: 1 to 65535" },
        { TARGETS("\"1.2.3.400:80\""), "x.conf:1: a: targets: \"1.2.3.400:80\": not an IPv4 "
                                       "address: four numbers from 0 to 255" },
        { TARGETS("\"srv:_http._udp.a.test\""),
          "x.conf:1: a: targets: \"srv:_http._udp.a.test\": only services of _tcp can be used: "
          "write srv:_http._tcp.example.com" },
        { TARGETS("\"srv:_http._tcp.a.test:80\""),
          "x.conf:1: a: targets: \"srv:_http._tcp.a.test:80\": a service has no port, its SRV "
          "records tell it: write srv:_http._tcp.example.com" },
        { TARGETS("\"srv:10.0.0.1\""),
          "x.conf:1: a: targets: \"srv:10.0.0.1\": an address has no SRV records: write "
          "srv:_http._tcp.example.com" },
        { TARGETS("(\"srv:_a._tcp.b\", \"srv:_A._tcp.B\")"),
          "x.conf:1: a: targets: \"srv:_A._tcp.B\" is the same target as \"srv:_a._tcp.b\" before "
          "it" },
        { TARGETS("\"a b:80\""), "x.conf:1: a: targets: \"a b:80\": spaces are not "
                                 "allowed" },
        { TARGETS("(\"b:1\",\n\"t:1\",\n\"B:1\")"),
          "x.conf:1: a: targets: \"B:1\" is the same target as \"b:1\" before it" },
        { TARGETS("(\"[::1]:1\", \"[0:0::1]:1\")"),
          "x.conf:1: a: targets: \"[0:0::1]:1\" is the same target as \"[::1]:1\" before it" },
        { TARGETS("5001"),
          "x.conf:1: a: targets: a target cannot be a whole number; write \"host:port\", "
          "\"10.0.0.7:5001\", \"[::1]:5001\" or { address = \"host:port\"; }" },
        { TARGETS("( { weight = 2; } )"),
          "x.conf:1: a: targets: a target without an address; write \"host:port\", "
          "\"10.0.0.7:5001\", \"[::1]:5001\" or { address = \"host:port\"; }" },
        { TARGETS("(\n{ address = \"t:1\"; wheight = 2; } )"),
          "x.conf:2: a: targets.wheight: unknown key; did you mean weight?" },
        { TARGETS("(\n{ address = \"t:1\"; weight = 0; } )"),
          "x.conf:2: a: targets.weight: 0 is out of range; allowed is 1 to 256" },
        { TARGETS("(\n{ tier = 256; address = \"t:1\"; } )"),
          "x.conf:2: a: targets.tier: 256 is out of range; allowed is 0 to 255" },
        { TARGETS("(\n{ address = \"t:1\"; weight = \"2\"; } )"),
          "x.conf:2: a: targets.weight: is a string; it must be a whole number, 1 to 256, without "
          "quotes" },
        { TARGETS("( { address = 5; } )"),
          "x.conf:1: a: targets.address: is a whole number; write address = \"host:port\"" },
    };

    check("x.conf", wrongs, ARRAY_SIZE(wrongs));
}

static void
durations_and_numbers_that_cannot_be(void **state)
{
    static const struct wrong wrongs[] = {
        { APP("probe = {\ninterval = \"5\";\n};"),
          "x.conf:2: a: probe.interval: \"5\" is no duration; write " DURATIONS },
        { APP("probe = { interval = \"1.5s\"; };"),
          "x.conf:1: a: probe.interval: \"1.5s\" is no duration; write " DURATIONS },
        { APP("probe = { interval = \"\"; };"),
          "x.conf:1: a: probe.interval: \"\" is no duration; write " DURATIONS },
        { APP("probe = { interval = \"5 s\"; };"),
          "x.conf:1: a: probe.interval: \"5 s\" is no duration; write " DURATIONS },
        { APP("probe = { interval = -1; };"),
          "x.conf:1: a: probe.interval: -1 (ms) is out of range; allowed is 10ms to 1d" },
        { APP("probe = { interval = \"-5s\"; };"),
          "x.conf:1: a: probe.interval: \"-5s\" is out of range; allowed is 10ms to 1d" },
        { APP("probe = { interval = 0; };"),
          "x.conf:1: a: probe.interval: 0 (ms) is out of range; allowed is 10ms to 1d" },
        { APP("probe = { interval = \"2d\"; };"),
          "x.conf:1: a: probe.interval: \"2d\" is out of range; allowed is 10ms to 1d" },
        { APP("idle_timeout = \"99999999999999999999d\";"),
          "x.conf:1: a: idle_timeout: \"99999999999999999999d\" is out of range; allowed is 0s "
          "to 24d" },
        { APP("idle_timeout = -99999999999L;"), "x.conf:1: a: idle_timeout: -99999999999 (ms) "
                                                "is out of range; allowed is 0s to 24d" },
        { APP("drain_timeout = \"2h\";"),
          "x.conf:1: a: drain_timeout: \"2h\" is out of range; allowed is 0s to 1h" },
        { APP("drain_timeout = 1.5;"),
          "x.conf:1: a: drain_timeout: is a number with a fraction; "
          "write a duration: " DURATIONS },
        { APP("drain_timeout = { };"),
          "x.conf:1: a: drain_timeout: is a group { }; write a duration: " DURATIONS },
        { APP("probe = { interval = \"1s\";\ntimeout = \"2s\"; };"),
          "x.conf:2: a: probe.timeout: 2s is longer than probe.interval, 1s; a probe must end "
          "before the next" },
        { APP("probe = { rise = 0; fall = 1001; jitter = 51; };"),
          "x.conf:1: a: probe.rise: 0 is out of range; allowed is 1 to 1000\n"
          "x.conf:1: a: probe.fall: 1001 is out of range; allowed is 1 to 1000\n"
          "x.conf:1: a: probe.jitter: 51 is out of range; allowed is 0 to 50" },
        { APP("probe = { port = 0; address = \"10.0.0.7:80\"; };"),
          "x.conf:1: a: probe.port: 0 is out of range; allowed is 1 to 65535\n"
          "x.conf:1: a: probe.address: \"10.0.0.7:80\" is no IP address; write it without a port "
          "and without brackets, such as \"10.0.0.7\" or \"2001:db8::7\"; the port has a key of "
          "its own" },
        { APP("probe = { kind = \"exchange\"; };"),
          "x.conf:1: a: probe.kind: \"exchange\" needs to know what is said: send and expect, "
          "steps, or preset" },
        { APP("probe = { send = \"\"; expect = 5; };"),
          "x.conf:1: a: probe.send: is empty; leave it out where nothing is to be said or heard\n"
          "x.conf:1: a: probe.expect: is a whole number; it must be a string in double quotes" },
        { APP("probe = { steps = ( { send = \"a\"; expect = \"b\"; },\n{ sends = \"a\"; },\n"
              "{ send_hex = \"0d 0\"; },\n{ expect_regex = \"(\"; },\n"
              "{ expect_regex = \"(a)\\\\1\"; } ); };"),
          "x.conf:1: a: probe.steps: each step is a group of one key; write "
          "{ send = \"PING\\r\\n\"; } or { expect = \"+PONG\"; }\n"
          "x.conf:2: a: probe.sends: is unknown in a step; there are send, expect, send_hex, "
          "expect_hex and expect_regex\n"
          "x.conf:3: a: probe.send_hex: \"0d 0\" is not in hex; write two digits a byte: "
          "\"0d 0a\"\n"
          "x.conf:4: a: probe.expect_regex: \"(\" is no regular expression: Unmatched ( or \\(\n"
          "x.conf:5: a: probe.expect_regex: \"(a)\\1\" refers back (\\1), which is not "
          "allowed: it may take for ever" },
        { APP("probe = { expect_regex = \"a\"; steps = ( { expect_regex = \"a{2}\"; },\n"
              "{ expect_regex = \"\xc3\xa9\"; } ); };"),
          "x.conf:1: a: probe.expect_regex: unknown key; known here: " PROBE_KEYS "\n"
          "x.conf:1: a: probe.expect_regex: \"a{2}\" has a repetition count in braces, which is not "
          "allowed: it may take gigabytes; \\\\{ is the character\n"
          "x.conf:2: a: probe.expect_regex: \"\\xc3\\xa9\" is not plain ASCII; write expect_hex for "
          "other bytes" },
        { APP("probe = { steps = { send = \"a\"; }; };"),
          "x.conf:1: a: probe.steps: is a group { }; write a list: ( { send = ...; }, "
          "{ expect = ...; } )" },
        { APP("probe = { preset = \"reddis\"; };"),
          "x.conf:1: a: probe.preset: \"reddis\" is not known; allowed is \"memcached\", "
          "\"mysql\", \"postgres\", \"redis\", \"smtp\"; did you mean \"redis\"?" },
        { APP("probe = { preset = \"redis\"; send = \"x\"; };"),
          "x.conf:1: a: probe.send: there is more than one way here to say what is sent and "
          "expected; use send and expect, or steps, or preset" },
        { APP("probe = { kind = \"dns\"; host = \"a..b\"; type = \"HINFO\"; };"),
          "x.conf:1: a: probe.type: \"HINFO\" is not known; allowed is \"A\", \"AAAA\", \"CNAME\", "
          "\"MX\", \"NS\", \"PTR\", \"SOA\", \"SRV\", \"TXT\"\n"
          "x.conf:1: a: probe.host: is no name that DNS can be asked for; a label has 1 to 63 "
          "characters, a name 253" },
        { APP("probe = { close = \"rts\"; proxy_protocol = true; };"),
          "x.conf:1: a: probe.close: \"rts\" is not known; allowed is \"fin\", \"rst\", "
          "\"banner\"; did you mean \"rst\"?\n"
          "x.conf:1: a: probe.proxy_protocol: is true or false; it must be a string in double "
          "quotes" },
        { APP("connect = { retries = \"3\"; };"),
          "x.conf:1: a: connect.retries: is a string; it must be a whole number, 0 to 15, "
          "without quotes" },
        { APP("threads = true;"), "x.conf:1: a: threads: is true or false; it must be a whole "
                                  "number, 0 to 64, without quotes" },
        { APP("threads = 65;"),
          "x.conf:1: a: threads: 65 is out of range; allowed is 0 to 64" },
        { APP("threads =\n5000000000;"),
          "x.conf:1: a: threads: 5000000000 is out of range; allowed is 0 to 64" },
        { APP("threads = 0xffffffff;"),
          "x.conf:1: a: threads: 4294967295 is out of range; allowed is 0 to 64" },
        { APP("threads = 5000000000;\nthreds = 1;"),         /* no other error is hidden */
          "x.conf:1: a: threads: 5000000000 is out of range; allowed is 0 to 64\n"
          "x.conf:2: a: threds: unknown key; did you mean threads?" },
        { APP("threads = [ 1, 5000000000 ];"),
          "x.conf:1: the number 5000000000 is too large: a number must fit 32 bits "
          "(-2147483648 to 2147483647)" },
        { APP("threads = 99999999999999999999;"),
          "x.conf:1: the number 99999999999999999999 is too large: a number must fit 32 bits "
          "(-2147483648 to 2147483647)" },
    };

    check("x.conf", wrongs, ARRAY_SIZE(wrongs));
}

static void
names_and_words_that_cannot_be(void **state)
{
#define NAME_RULE                                                                              \
    " is no name of an app; allowed are a-z, 0-9 and \"-\", not first, at most 63 characters"
    static const struct wrong wrongs[] = {
        { NAME("\"A\""), "x.conf:1: name: \"A\"" NAME_RULE },
        { NAME("\"-a\""), "x.conf:1: name: \"-a\"" NAME_RULE },
        { NAME("\"a.b\""), "x.conf:1: name: \"a.b\"" NAME_RULE },
        { NAME("\"\""), "x.conf:1: name: \"\"" NAME_RULE },
        { NAME("\"a\\x1b[31m\xc3\""), "x.conf:1: name: \"a\\x1b[31m\\xc3\"" NAME_RULE },
        { NAME("\"a123456789012345678901234567890123456789012345678901234567890123\""),
          "x.conf:1: name: "
          "\"a123456789012345678901234567890123456789012345678901234567890123\"" NAME_RULE },
        { NAME("5"), "x.conf:1: name: is a whole number; write name = \"my-app\"" },
        { "apps = (\n{ } );",
          "x.conf:2: name: is missing; every app has one: lower-case letters, digits and "
          "\"-\"\n"
          "x.conf:2: ports: is missing; an app needs at least one port to listen on, such as "
          "5001\nx.conf:2: targets: is missing; an app needs at least one target, "
          "\"host:port\"" },
        { APP("strategy = \"round-robin\";"), "x.conf:1: a: strategy: \"round-robin\" is not "
                                              "known; allowed is \"round_robin\"; did "
                                              "you mean \"round_robin\"?" },
        { APP("panic = \"never\";"),
          "x.conf:1: a: panic: \"never\" is not known; allowed is \"all\", \"fail\"" },
        { APP("initial = 1;"),
          "x.conf:1: a: initial: is a whole number; it must be a string in double quotes" },
        { APP("probe = { kind = \"htps\"; };"),
          "x.conf:1: a: probe.kind: \"htps\" is not known; allowed is " KINDS
          "; did you mean \"https\"?" },
        { APP("flap_damping = 5;"),
          "x.conf:1: a: flap_damping: is a whole number; write true, false or { half_life = "
          "\"60s\"; suppress = 3000; reuse = 1500; }" },
        { APP("flap_damping = { suppress = 1000; };"),
          "x.conf:1: a: flap_damping: reuse, 1500, is not below suppress, 1000: what is held "
          "would never be free" },
        { APP("flap_damping = { half_life = \"0s\"; };"),
          "x.conf:1: a: flap_damping.half_life: \"0s\" is out of range; allowed is 1s to 1h" },
        { APP("slow_start = \"2h\";"),
          "x.conf:1: a: slow_start: \"2h\" is out of range; allowed is 0s to 1h" },
        { APP("probe = \"none\";"),
          "x.conf:1: a: probe: is a string; write a group: probe = { kind = ...; };" },
    };

    check("x.conf", wrongs, ARRAY_SIZE(wrongs));
}

static void
keys_that_are_not_known(void **state)
{
    static const struct wrong wrongs[] = {
        { APP("stratgey = \"round_robin\";"),
          "x.conf:1: a: stratgey: unknown key; did you mean strategy?" },
        { APP("prboe = { };"), "x.conf:1: a: prboe: unknown key; did you mean probe?" },
        { APP("proxy_protocol = \"v2\";"),
          "x.conf:1: a: proxy_protocol: unknown key; known here: " APP_KEYS },
        { APP("probe = { intervall = \"5s\"; };"),
          "x.conf:1: a: probe.intervall: unknown key; did you mean interval?" },
        { "app = ( );", "x.conf:1: app: unknown key; did you mean apps?" },
        { "daemon = { admin = { }; };",
          "x.conf:1: daemon.admin: unknown key; known here: state_dir, runtime_dir, log_level, "
          "log_format, threads, worker_pool, probe_concurrency, "
          "probe_concurrency_per_destination, dns" },
        { "defaults = { name = \"a\"; };",
          "x.conf:1: defaults.name: unknown key; known here: strategy, probe, probes, "
          "probes_require, initial, panic, panic_hold, eject, "
          "ready, connect, idle_timeout, half_close_timeout, drain_timeout, handover_timeout, "
          "user_timeout, slow_start, flap_damping, worker, threads, endpoints_max" },
    };

    check("x.conf", wrongs, ARRAY_SIZE(wrongs));
}

static void
settings_that_cannot_be(void **state)
{
    static const struct wrong wrongs[] = {
        { "daemon = 5;",
          "x.conf:1: daemon: is a whole number; write a group: daemon = { ... };" },
        { "daemon = { log_level = \"trace\"; };",
          "x.conf:1: daemon.log_level: \"trace\" is not known; allowed is \"error\", \"warn\", "
          "\"info\", \"debug\"" },
        { "daemon = { state_dir = \"var\"; };", "x.conf:1: daemon.state_dir: \"var\" is not "
                                                "absolute; a directory begins with \"/\"" },
        { "daemon = { worker_pool = 65; };",
          "x.conf:1: daemon.worker_pool: 65 is out of range; allowed is 0 to 64" },
        { "daemon = { probe_concurrency = 0; };",
          "x.conf:1: daemon.probe_concurrency: 0 is out of range; allowed is 1 to 65535" },
        { "daemon = { dns = {\nservers = (\"127.0.0.1:5353\",\n\"dns.example\"); }; };",
          "x.conf:3: daemon.dns.servers: \"dns.example\" is no server; write its IP address "
          "with "
          "or without a port: \"192.0.2.53\", \"127.0.0.1:5353\", \"[2001:db8::53]:53\"" },
        { "daemon = { dns = { ttl_min = \"10m\"; }; };",
          "x.conf:1: daemon.dns.ttl_min: 10m is more than dns.ttl_max, 5m" },
        { "daemon = { dns = { servers = (1); }; };",
          "x.conf:1: daemon.dns.servers: a whole number is no server; write its IP address "
          "with "
          "or without a port: \"192.0.2.53\", \"127.0.0.1:5353\", \"[2001:db8::53]:53\"" },
    };

    check("x.conf", wrongs, ARRAY_SIZE(wrongs));
}

#define LOOK "in this line or just before it: look for a missing \";\", \",\", quote or bracket"

static void
texts_that_do_not_parse(void **state)
{
    static const struct wrong wrongs[] = {
        { "apps = (\n{ name = \"a\"\nports = 80 }\n]", "x.conf:4: syntax error " LOOK },
        { "apps = ( { name = \"a\"; idle_timeout = 5s; } );", "x.conf:1: syntax error " LOOK },
        { "apps = ();\n\napps = ();",
          "x.conf:3: syntax error: this key stands twice in one group" },
        { "apps = ( {\nname = \"a\";\nname = \"b\"; } );",
          "x.conf:3: syntax error: this key stands twice in one group" },
        { "apps = ();\n@include \"/etc/passwd\"\n",
          "x.conf:2: @include is not allowed: write it into a file of its own in the "
          "directory, "
          "every *.conf there is read" },
        { "apps = ();\n\"never closed\n\n", "x.conf:2: this string has no closing quote (\")" },
        { "apps = ();\n\n/* never closed\n",
          "x.conf:3: this comment never ends: \"*/\" is missing" },
        { "daemon = { state_dir = \"/a\\x00b\"; };",
          "x.conf:1: \\x00 (a zero byte) cannot stand in a string" },
        { "apps = { };",
          "x.conf:1: apps: is a group { }; write a list of groups: apps = ( { ... "
          "} );" },
        { "apps = [ 1 ];",
          "x.conf:1: apps: is an array [ ]; write a list of groups: apps = ( { "
          "... } );" },
        { "apps = ( \"a\" );", "x.conf:1: an app cannot be a string; write a group { }" },
    };

    check("x.conf", wrongs, ARRAY_SIZE(wrongs));
}

static void
json_that_cannot_be(void **state)
{
    static const struct wrong wrongs[] = {
        { "", "x.json:1: syntax error: '[' or '{' expected near end of file" },
        { "[]", "x.json:1: must be an object: {\"Apps\": [...]}" },
        { "{\"Apps\": [\n}", "x.json:2: syntax error: unexpected token near '}'" },
        { "{\"Apps\": [],\n\"Apps\": []}", "x.json:2: syntax error: duplicate object key near "
                                           "'\"Apps\"'" },
        { "{\"apps\": []}", "x.json:1: apps: unknown key; did you mean Apps?" },
        { "{\n\"Apps\": 5}", "x.json:2: Apps: is a whole number; write a list of groups: "
                             "\"Apps\": [{...}]" },
        { "{\"Apps\": [\n{\"Name\": \"a\", \"Ports\": [80],\n\"Targets\": [\n\"t\"]}]}",
          "x.json:4: a: Targets: \"t\": no port: write host:port" },
        { "{\"Apps\": [\n{\"Name\": \"a\",\n\"Ports\": [80,\n65536], \"Targets\": [\"t:1\"]}]}",
          "x.json:4: a: Ports: 65536 is out of range; allowed is 1 to 65535" },
        { "{\"Apps\": [\n{\"Name\": \"a b\",\n\"Ports\": [80],\n\"Targets\": []}]}",
          "x.json:2: Name: \"a b\"" NAME_RULE "\n"
          "x.json:4: Targets: is empty; an app needs at least one target: write \"host:port\", "
          "\"10.0.0.7:5001\", \"[::1]:5001\" or { address = \"host:port\"; }" },
        { "{\"Apps\": [{\"Name\": \"a\", \"Ports\": [80], \"Targets\": [\"t:1\"],\n"
          "\"Target\": [1, {\"x\": [2]}]}]}",
          "x.json:2: a: Target: unknown key; did you mean Targets?" },
    };

    check("x.json", wrongs, ARRAY_SIZE(wrongs));
}

static void
nul_bytes_end_no_text(void **state)
{
    static const char text[] = "apps = ();\n\0 apps = ( { } );";
    struct config *config = load("x.conf", text, sizeof text - 1);

    assert_int_equal(config->error_count, 1);
    assert_string_equal(config->errors[0].message, "a NUL byte: this is no text file");
    assert_int_equal(config->errors[0].line, 2);
    assert_int_equal(config->opaque_file_count, 1);
    config_free(config);
}

static void
a_text_of_absurd_shape_is_refused_at_once(void **state)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);
    struct config *config;

    for (int i = 0; i < 500000; i++)
        fprintf(stream, "k%d = 1\n", i);
    for (int i = 0; i < 500000; i++)
        fputs("g = {\n", stream);
    fclose(stream);
    config = load("x.conf", text, length);
    assert_int_equal(config->error_count, 2);
    assert_string_equal(config->errors[0].message, "more than 1000 keys in one group");
    assert_int_equal(config->errors[0].line, 1001);
    assert_string_equal(config->errors[1].message, "more than 31 groups within each other");
    assert_int_equal(config->errors[1].line, 500032);
    config_free(config);
    free(text);
}

static void
what_looks_wrong_in_comments_and_strings_is_not(void **state)
{
    static const char text[] = "# 5000000000 @include \"x\" \xff\xfe\n"
                               "// 5000000000 /* \" \n"
                               "/* 5000000000 \" @include */\n"
                               "a5000000000 = \"5000000000 @include /* # \\\" // \";\n";
    struct config *config = load("x.conf", text, sizeof text - 1);

    assert_int_equal(config->error_count, 1); /* the key alone */
    assert_string_equal(config->errors[0].key, "a5000000000");
    config_free(config);
}

static void
the_errors_kept_are_limited_and_the_rest_counted(void **state)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);
    struct config *config;

    fputs("apps = (\n", stream);
    for (int i = 0; i < 1200; i++)
        fprintf(stream, "%s{ name = \"a%d\"; ports = %d; targets = \"t\"; }\n",
                i > 0 ? "," : "", i, i + 1);
    fputs(");", stream);
    fclose(stream);
    config = load("x.conf", text, length);
    assert_int_equal(config->error_count, CONFIG_ERRORS_MAX);
    assert_int_equal(config->errors_dropped, 200);
    assert_int_equal(config->errors[0].line, 2);
    assert_int_equal(config->opaque_file_count, 1); /* for not all names are known */
    config_free(config);
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_that_cannot_be),
        cmocka_unit_test(targets_that_cannot_be),
        cmocka_unit_test(durations_and_numbers_that_cannot_be),
        cmocka_unit_test(names_and_words_that_cannot_be),
        cmocka_unit_test(keys_that_are_not_known),
        cmocka_unit_test(settings_that_cannot_be),
        cmocka_unit_test(texts_that_do_not_parse),
        cmocka_unit_test(json_that_cannot_be),
        cmocka_unit_test(nul_bytes_end_no_text),
        cmocka_unit_test(a_text_of_absurd_shape_is_refused_at_once),
        cmocka_unit_test(what_looks_wrong_in_comments_and_strings_is_not),
        cmocka_unit_test(the_errors_kept_are_limited_and_the_rest_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
