/*
 * black_hole - a listener on which every connect() hangs, on loopback and without a firewall.
 *
 * The kernel drops SYNs for a listener whose queue of accepted connections is full. So we
 * listen with the shortest queue, never accept, and fill it with connections of our own
 * until one stays in progress.
 */
#ifndef FPROXY_FTEST_BLACK_HOLE_H
#define FPROXY_FTEST_BLACK_HOLE_H

enum { BLACK_HOLE_FILLERS_MAX = 8 };

struct black_hole {
    int filler_count;
    int fillers[BLACK_HOLE_FILLERS_MAX];        /* owned, open for as long as it has to be */
};

/* `listener` listens with a backlog of 0 and stays the caller's. Waits for at most some
 * seconds. 0, -EAGAIN when connections still come through, or -errno. */
int black_hole_fill(int listener, struct black_hole *hole);

#endif
