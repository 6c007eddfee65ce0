#include "proxy/supervisor/adopt_unread.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/log.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/generation.h"
#include "proxy/supervisor/leaving.h"
#include "proxy/supervisor/report.h"
#include "proxy/supervisor/spare_ports.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/worker_link.h"
#include "proxy/supervisor/workers.h"

/* ---- its sockets ---- */

/* As it is configured: one of both families has none. */
static bool
address_of(int fd, struct address *address)
{
    struct sockaddr_storage sockaddr;
    socklen_t bytes = sizeof sockaddr;
    int only = 1;
    socklen_t only_bytes = sizeof only;

    if (getsockname(fd, (struct sockaddr *)&sockaddr, &bytes) < 0 ||
        address_from_sockaddr((struct sockaddr *)&sockaddr, address) < 0)
        return false;
    if (address->family == 6 &&
        getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &only_bytes) == 0 && only == 0)
        *address = (struct address){ .port = address->port };
    return true;
}

static bool
is_wider(const struct address *a, const struct address *b)
{
    static const struct address any;

    if (a->family == 0 || b->family == 0)
        return a->family == 0;
    return memcmp(a->ip, any.ip, sizeof any.ip) == 0;
}

/* Those of one port. Some may be for single addresses, from before it was widened. */
static void
keep_port(struct supervisor *supervisor, const int *fds, uint32_t count)
{
    struct address widest = { 0 }, address;
    bool known = false;

    for (uint32_t i = 0; i < count; i++) {
        if (!address_of(fds[i], &address) || (known && !is_wider(&address, &widest)))
            continue;
        widest = address;
        known = true;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (known)
            spare_ports_take(supervisor, &widest, fds[i]);
        else
            close(fds[i]);
    }
}

static void
keep_sockets(struct supervisor *supervisor, struct reported *reported)
{
    uint32_t count;

    for (uint32_t i = 0; i < reported->socket_count; i += count) {
        for (count = 1; i + count < reported->socket_count; count++) {
            if (reported->ports[i + count] != reported->ports[i])
                break;
        }
        keep_port(supervisor, reported->fds + i, count);
    }
    reported->socket_count = 0;
}

/* ---- what it leaves ---- */

static void
retire_worker(struct worker *worker)
{
    if (worker->retired)
        return;
    worker_retire(worker);
    worker->supervisor->workers_unsettled = true;
}

void
adopt_unread(struct app *app, struct worker *worker, struct reported *reported)
{
    struct app_generation *generation = generation_create_unread(app, reported->number,
                                                                 UNREAD_DRAIN_MS);

    keep_sockets(app->supervisor, reported);
    retire_worker(worker);
    if (generation == NULL) {
        log_error(app->name, "no memory for generation %u of worker %s", reported->number,
                  worker->name);
        return;
    }
    generation_assign(generation, worker);
    generation->load = LOAD_ACCEPTING;
    if (reported->how == CONTROL_IS_LOADED) {
        worker_link_drain(generation, 0);
        generation_destroy(generation);
        return;
    }
    if (reported->how == CONTROL_IS_ACCEPTING) {
        worker_link_retire(generation, UNREAD_DRAIN_MS);
        event_write(app->supervisor, LOG_WARN, app->name, "adopted_unread",
                    "generation %u, which worker %s (pid %d) served, cannot be read by this "
                    "version: its sockets are kept for what is configured, its connections have "
                    "%d s to end", reported->number, worker->name, (int)worker->child->pid,
                    UNREAD_DRAIN_MS / 1000);
    }
    leaving_begin(generation);          /* one that drained already has the time it had */
}
