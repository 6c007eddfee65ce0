/*
 * generation - one version of an app's configuration and all that belongs to it.
 *
 *   app --current--> [ text | listeners | pages: board + traffic ]
 *                                         pages_next: a larger board on its way
 *                                         pages_old:  until the worker has left it
 *
 * It owns its text, its sockets and its shared files, so that several can live side by
 * side. Board and traffic page always go together: the slots of the one are those of the
 * other. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_GENERATION_H
#define FPROXY_SUPERVISOR_GENERATION_H

#include <stdint.h>

#include "config/app.h"
#include "proxy/supervisor/listeners.h"
#include "strategy/board.h"
#include "strategy/traffic.h"

struct pages {
    uint32_t number;                /* of the files: board-APP.NUMBER */
    uint32_t slots;
    int board_fd, board_reader_fd;  /* owned: read-write for the prober, read-only */
    int traffic_fd, traffic_reader_fd;  /* owned: for the worker; read-only, the prober */
    struct traffic *traffic;        /* owned, mapped read-only */
    char board_name[BOARD_NAME_BYTES];
    char traffic_name[TRAFFIC_NAME_BYTES];
};

struct app_generation {
    uint32_t number;
    struct app_config config;       /* owned */
    char *text;                     /* owned: the canonical text */
    char hash[65];
    char *source;                   /* owned: the file */
    int text_fd;                    /* owned: the text, sealed; -1 until it is needed */
    uint32_t threads;               /* of its worker */
    struct listeners listeners;
    struct pages *pages, *pages_next, *pages_old;   /* owned; NULL where there is none */
};

/* Takes over `config`, `text` and `source`. NULL without memory (nothing is taken). */
struct app_generation *generation_create(uint32_t number, struct app_config *config, char *text,
                                         char *source);
/* Closes and unlinks what it has in the runtime directory. */
void generation_destroy(struct app_generation *generation, int runtime_fd);

/* Closes sockets, unlinks pages: as it was before it was started. */
void generation_release(struct app_generation *generation, int runtime_fd);

/* Slots for the first board: each address, room for four per name, and a few more. Pure. */
uint32_t generation_slots(const struct app_config *config);

/* Slots for a board that has to hold `needed` endpoints; 0: it may not grow further. Pure. */
uint32_t generation_slots_grown(const struct app_config *config, uint32_t slots,
                                uint32_t needed);

/* Creates a board and a traffic page in the runtime directory. 0 or -errno. */
int pages_create(int runtime_fd, const struct app_generation *generation, uint32_t number,
                 uint32_t slots, struct pages **pages);
/* A fresh traffic page in place of the old one: a new worker counts from zero. 0 or -errno. */
int pages_renew_traffic(int runtime_fd, const struct app_generation *generation,
                        struct pages *pages);
/* Closes and unlinks them; `pages` may be NULL. */
void pages_destroy(int runtime_fd, struct pages *pages);

/* The descriptor of the sealed text, made on first use; or -errno. */
int generation_text_fd(struct app_generation *generation);

/* Clients connected now. */
uint64_t generation_connections(const struct app_generation *generation);

#endif
