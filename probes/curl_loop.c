/*
 *   libcurl --on_socket: watch this--> struct event --> on_ready() --+
 *      ^    --on_timer: wake me----> loop->timer ---> on_time() -----+-> curl_multi_socket_action()
 *      |                                                             |
 *      +-- add, remove <-- on_end of what is over <-- deliver() <----+
 */
#include "probes/curl_loop.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>

struct curl_loop {
    LIST_ENTRY(curl_loop) link;
    struct event_base *base;    /* borrowed */
    CURLM *multi;               /* owned */
    struct event timer;
    unsigned users;
};

static LIST_HEAD(, curl_loop) loops = LIST_HEAD_INITIALIZER(loops);

/* ---- what is over ---- */

static void
deliver(struct curl_loop *loop)
{
    struct curl_transfer *transfer;
    CURLMsg *message;
    CURLcode code;
    int left;

    loop->users++;              /* on_end may be the end of the last one */
    while ((message = curl_multi_info_read(loop->multi, &left)) != NULL) {
        code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        curl_multi_remove_handle(loop->multi, message->easy_handle);
        transfer->on_end(transfer, code);
    }
    curl_loop_put(loop);
}

/* ---- between the two ---- */

static void
act(struct curl_loop *loop, curl_socket_t fd, int what)
{
    int running;

    curl_multi_socket_action(loop->multi, fd, what, &running);
    deliver(loop);
}

static void
on_ready(evutil_socket_t fd, short what, void *context)
{
    act(context, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) |
                         (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void
on_time(evutil_socket_t fd, short what, void *context)
{
    act(context, CURL_SOCKET_TIMEOUT, 0);
}

/* Never fails, for a multi handle is of no use after that: what cannot be watched ends by its
 * timeout. */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
    struct curl_loop *loop = context;
    struct event *event = socket_context;
    short events = EV_PERSIST;

    if (event != NULL)
        event_del(event);
    if (what == CURL_POLL_REMOVE) {
        free(event);
        return 0;
    }
    events |= what & CURL_POLL_IN ? EV_READ : 0;
    events |= what & CURL_POLL_OUT ? EV_WRITE : 0;
    if (event == NULL)
        event = malloc(sizeof *event);
    if (event == NULL)
        return 0;
    event_assign(event, loop->base, fd, events, on_ready, loop);
    event_add(event, NULL);
    curl_multi_assign(loop->multi, fd, event);
    return 0;
}

static int
on_timer(CURLM *multi, long wait_ms, void *context)
{
    struct curl_loop *loop = context;
    const struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };

    if (wait_ms < 0)
        event_del(&loop->timer);
    else
        event_add(&loop->timer, &wait);
    return 0;
}

/* ---- users ---- */

/* Of the process, whose signal handlers are otherwise its main's. */
static bool
prepare_process(void)
{
    static bool prepared;
    struct sigaction action;

    if (prepared)
        return true;
    prepared = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
    return prepared;
}

static struct curl_loop *
make(struct event_base *base)
{
    struct curl_loop *loop = calloc(1, sizeof *loop);

    if (loop == NULL)
        return NULL;
    loop->multi = curl_multi_init();
    if (loop->multi == NULL) {
        free(loop);
        return NULL;
    }
    loop->base = base;
    event_assign(&loop->timer, base, -1, 0, on_time, loop);
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
    curl_multi_setopt(loop->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    LIST_INSERT_HEAD(&loops, loop, link);
    return loop;
}

struct curl_loop *
curl_loop_get(struct event_base *base)
{
    struct curl_loop *loop;

    if (!prepare_process())
        return NULL;
    LIST_FOREACH (loop, &loops, link) {
        if (loop->base == base)
            break;
    }
    if (loop == NULL)
        loop = make(base);
    if (loop != NULL)
        loop->users++;
    return loop;
}

void
curl_loop_put(struct curl_loop *loop)
{
    if (loop == NULL || --loop->users > 0)
        return;
    LIST_REMOVE(loop, link);
    curl_multi_cleanup(loop->multi);    /* its sockets' events go with it */
    event_del(&loop->timer);
    free(loop);
}

int
curl_loop_add(struct curl_loop *loop, struct curl_transfer *transfer)
{
    if (curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer) != CURLE_OK ||
        curl_multi_add_handle(loop->multi, transfer->easy) != CURLM_OK)
        return -ENOMEM;
    return 0;
}

void
curl_loop_remove(struct curl_loop *loop, struct curl_transfer *transfer)
{
    curl_multi_remove_handle(loop->multi, transfer->easy);
}
