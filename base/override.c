#include "base/override.h"

#include <string.h>

#include "base/util.h"

static const char *const action_names[] = {
    [OVERRIDE_NONE] = "",
    [OVERRIDE_DRAIN] = "drain",
    [OVERRIDE_MAINTAIN] = "maintain",
    [OVERRIDE_READY] = "ready",
};
_Static_assert(ARRAY_SIZE(action_names) == OVERRIDE_ACTIONS, "name every action");

const char *
override_action_name(uint32_t action)
{
    return action < OVERRIDE_ACTIONS ? action_names[action] : "";
}

bool
override_action_parse(const char *name, enum override_action *action)
{
    for (uint32_t i = OVERRIDE_DRAIN; i < OVERRIDE_ACTIONS; i++) {
        if (strcmp(name, action_names[i]) == 0) {
            *action = (enum override_action)i;
            return true;
        }
    }
    return false;
}

/* How near it is to the endpoint; 0: it is not about it. */
static int
nearness(const struct override *override, const char *target, const char *address)
{
    if (address[0] != '\0' && strcmp(override->target, address) == 0)
        return 3;
    if (strcmp(override->target, target) == 0)
        return 2;
    return strcmp(override->target, OVERRIDE_ALL) == 0 ? 1 : 0;
}

const struct override *
override_find(const struct override *list, size_t count, const char *target,
              const char *address)
{
    const struct override *best = NULL;
    int best_nearness = 0;

    for (size_t i = 0; i < count; i++) {
        int near = nearness(&list[i], target, address);

        if (near <= best_nearness)
            continue;
        best = &list[i];
        best_nearness = near;
    }
    return best != NULL && best->action != OVERRIDE_READY ? best : NULL;
}

/* Those about `target` (NULL: any) with that action (OVERRIDE_NONE: any). */
static void
unsay(struct override *list, size_t *count, const char *target, uint32_t action)
{
    size_t kept = 0;

    for (size_t i = 0; i < *count; i++) {
        if ((target != NULL && strcmp(list[i].target, target) != 0) ||
            (action != OVERRIDE_NONE && list[i].action != action))
            list[kept++] = list[i];
    }
    *count = kept;
}

void
override_say(struct override *list, size_t *count, const struct override *said)
{
    bool all = strcmp(said->target, OVERRIDE_ALL) == 0;

    if (all && said->action == OVERRIDE_READY) {
        *count = 0;
        return;
    }
    unsay(list, count, said->target, OVERRIDE_NONE);
    if (all)
        unsay(list, count, NULL, OVERRIDE_READY);
    list[(*count)++] = *said;
}

bool
override_valid(const struct override *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (memchr(list[i].target, '\0', sizeof list[i].target) == NULL ||
            memchr(list[i].note, '\0', sizeof list[i].note) == NULL ||
            list[i].action == OVERRIDE_NONE || list[i].action >= OVERRIDE_ACTIONS)
            return false;
    }
    return true;
}
