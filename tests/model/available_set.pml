/*
 * The available set (strategy/available_set.c) as a model for spin.
 *
 * One writer publishes sets 1 to PUBLICATIONS into two buckets; readers copy them. A word of
 * set g holds g, so a copy is right when all its words are the generation it was taken for.
 *
 * spin runs everything in order, machines do not: the writer's stores go through a buffer
 * that hands them to memory later, and in another order where release stores leave it free.
 * What holds them back is what the code relies on:
 *   - the generation is stored after the words of its set          (else REORDERED_PUBLISH)
 *   - the words of a later set are stored after that generation    (else RELAXED_WORDS)
 * Words of one set may overtake each other here, both in storing and in loading; that is more
 * than release and acquire allow, and harmless.
 * What the reader does:
 *   - it looks at the generation again after copying               (else NO_RECHECK)
 *   - and not before its last word is there: acquire               (else EARLY_RECHECK)
 *
 * Each of the four, defined, is a broken variant that spin must reject (tests/model/run). So
 * is NEVER_THE_LAST, which claims that no reader gets as far as the last set: it shows that
 * the model is no proof about nothing.
 */

#ifndef PUBLICATIONS
#define PUBLICATIONS 4
#endif
#define WORDS        2
#define READERS      2
#define DEPTH        6              /* of the store buffer: two whole publications */

#define GENERATION   (2 * WORDS)    /* its place in memory, behind both buckets */
#define PLACES       (2 * WORDS + 1)
#define WORD(set, index) (((set) % 2) * WORDS + (index))

typedef store {
    byte place;
    byte value
};

byte memory[PLACES];
store buffer[DEPTH];                /* oldest first */
byte pending;

#define is_generation(i) (buffer[i].place == GENERATION)

/* Sets `free`: may store `late` reach memory before `early`, which the writer did before? */
inline may_pass(early, late)
{
    if
    :: buffer[early].place == buffer[late].place -> free = false
    :: else ->
        if
#ifndef REORDERED_PUBLISH
        :: is_generation(late) && !is_generation(early) -> free = false
#endif
#ifndef RELAXED_WORDS
        :: is_generation(early) && !is_generation(late) -> free = false
#endif
        :: else -> skip
        fi
    fi
}

/* Hands one of the pending stores to memory: any that may pass all the older ones. */
active proctype machine()
{
    byte chosen, i;
    bool free;

end:
    do
    :: atomic {
        pending > 0 ->
        chosen = 0;
        do
        :: chosen + 1 < pending -> chosen++
        :: break
        od;
        d_step {
            free = true;
            i = 0;
            do
            :: i < chosen -> may_pass(i, chosen); i++
            :: else -> break
            od;
            if
            :: !free -> chosen = 0          /* the oldest always may */
            :: else -> skip
            fi;
            memory[buffer[chosen].place] = buffer[chosen].value;
            i = chosen;
            do
            :: i + 1 < pending ->
                buffer[i].place = buffer[i + 1].place;
                buffer[i].value = buffer[i + 1].value;
                i++
            :: else -> break
            od;
            pending--;
            buffer[pending].place = 0;
            buffer[pending].value = 0;
            i = 0;
            chosen = 0
        }
    }
    od
}

inline put(where, what)
{
    atomic {
        pending < DEPTH ->
        buffer[pending].place = where;
        buffer[pending].value = what;
        pending++
    }
}

active proctype writer()
{
    byte set = 1;

    do
    :: set <= PUBLICATIONS ->
        put(WORD(set, 0), set);
        put(WORD(set, 1), set);
        put(GENERATION, set);
        set++
    :: else -> break
    od
}

active [READERS] proctype reader()
{
    byte generation, again, seen;
    byte copy[WORDS];

end:
    do
    :: generation = memory[GENERATION];
retry:
        if
        :: copy[0] = memory[WORD(generation, 0)];
#ifdef EARLY_RECHECK
            again = memory[GENERATION];
#endif
            copy[1] = memory[WORD(generation, 1)]
        :: copy[1] = memory[WORD(generation, 1)];
            copy[0] = memory[WORD(generation, 0)];
#ifdef EARLY_RECHECK
            again = memory[GENERATION]
#endif
        fi;
#if defined(NO_RECHECK)
        again = generation;
#elif !defined(EARLY_RECHECK)
        again = memory[GENERATION];
#endif
        if
        :: again != generation -> generation = again; goto retry
        :: else -> skip
        fi;
        d_step {
            assert(generation >= seen);             /* never older than before */
            assert(copy[0] == copy[1]);             /* never mixed */
            assert(copy[0] == generation);          /* the one that was published */
#ifdef NEVER_THE_LAST
            assert(generation < PUBLICATIONS);
#endif
            seen = generation;
            copy[0] = 0;
            copy[1] = 0;
            again = 0
        }
    od
}
