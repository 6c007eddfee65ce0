/*
 * follow - what a hand-over left in an old process hears of the updates that come later.
 *
 *   worker A (new): generation 4 --update--> generation 5, which serves
 *   worker B (old): generation 4, leaving --APP_FOLLOW--> generation 5, leaving too: it has the
 *                   connections whose port and target are configured still; the others drain
 *
 * Where connections are must make no difference to how long they may stay. The follower shares
 * the board of what serves, has a traffic page of its own, no port, and the time that its
 * predecessor had left. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_FOLLOW_H
#define FPROXY_SUPERVISOR_FOLLOW_H

struct app;
struct supervisor;

/* The app's current generation is another one than before, or may be: whoever has connections
 * of older ones, and serves it no more, is to be told. What fails is logged, and tried again with
 * the next one: until then they have the time of the hand-over. */
void follow_current(struct app *app);

/* Sends what there is to tell; nothing may be in the midst of a change, for what fails may end
 * other rollouts. */
void follow_send(struct supervisor *supervisor);

#endif
