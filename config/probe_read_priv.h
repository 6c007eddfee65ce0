/*
 * probe_read_priv - what the files that read a probe share. For probe_*.c of this folder only.
 *
 *   probe_read.c      the table of keys, and the lists of probes
 *     probe_texts.c     readers of one value: a text, a word, a flag, a duration
 *     probe_lists.c     readers of several: ranges of status, headers, commands
 *   probe_finish.c    when all was read: what follows other values, what limits each other
 *     probe_foreign.c   keys that a kind does not have
 *   probe_kinds.c     the kinds, their keys and their words
 *
 * `into` of a reader is a struct app_probe, `key->key_count` says which of its values is meant.
 * What is wrong is told and leaves `into` as it was; without memory reader->out_of_memory is set.
 */
#ifndef FPROXY_CONFIG_PROBE_READ_PRIV_H
#define FPROXY_CONFIG_PROBE_READ_PRIV_H

#include "config/app_probe.h"
#include "config/keys.h"

#define OF_MORE(member) offsetof(struct app_probe_more, member)

/* ---- probe_kinds.c ---- */

enum {
    TCP = 1 << 0,
    EXCHANGE = 1 << 1,
    HTTP = 1 << 2,
    HTTPS = 1 << 3,
    TLS = 1 << 4,
    GRPC = 1 << 5,
    EXEC = 1 << 6,
    HELPER = 1 << 7,
    DNS = 1 << 8,
    PUSH = 1 << 9,
    TRAFFIC = 1 << 10,
    NONE = 1 << 11,
    TALKS = TCP | EXCHANGE,
    WEB = HTTP | HTTPS,
    CERTIFIED = HTTPS | TLS | GRPC,
    PROGRAM = EXEC | HELPER,
};

/* The names of the kinds in the order of their flags, and the types that DNS is asked for; each
 * ended by NULL. */
extern const char *const kinds[], *const dns_types[];

/* The flags of the kinds that have this key; all, of a key that is not special. */
unsigned kinds_with(const char *key);
/* The flag of a kind; 0: it is none. */
unsigned kind_flag(const char *kind);

/* ---- probe_texts.c ---- */

/* What only some kinds have, to write to; NULL without memory. */
struct app_probe_more *more_of(struct reader *reader, void *into);

/* A copy of `text` becomes the text `which` (enum app_probe_text). */
void set_text(struct reader *reader, void *into, uint32_t which, const char *text);

/* A text of one line that is not empty, borrowed, or NULL; the latter was told. */
const char *line_of(struct reader *reader, const struct key *key,
                    const struct config_setting_t *setting);

/* key->key_count: which text; of word_read() it is one of key->words. */
key_read_fn text_read, word_read;

/* key->key_count: the offset in struct app_probe_more. choice_read(): one of key->words. */
key_read_fn more_duration_read, flag_read, choice_read;

/* ---- probe_lists.c ---- */

/* The list of status of HTTP, normalised, as a text. */
key_read_fn status_read;

/* key->key_count: which list (enum app_probe_list). */
key_read_fn list_read;

/* Frees the texts of a list, which is empty then. */
void list_clear(struct app_list *list);

/* ---- probe_read.c ---- */

/* Frees the probes of the list, which is empty then; how many are required stays. */
void forget_list(struct app_probes *probes);

/* ---- probe_foreign.c ---- */

/* Where problems of a probe are told. */
struct place {
    const struct config_setting_t *app;
    const struct config_setting_t *group;   /* NULL: the probe is inherited */
    const char *prefix;                     /* of its keys: "probe." */
};

/* Tells a problem of the probe's `key`: at its line, or that of the group, or of the app. */
void tell(struct reader *reader, const struct place *place, const char *key, const char *text);

/* The member `name` of the group, or the group when it has none: for the line. */
const struct config_setting_t *member_or(const struct config_setting_t *group, const char *name);

/* Tells what the group says that its kind does not have. */
void check_keys(struct reader *reader, const struct place *place, const struct app_probe *probe);

/* Forgets what the probe inherited, but its kind does not have. */
void drop_foreign(struct app_probe *probe);

#endif
