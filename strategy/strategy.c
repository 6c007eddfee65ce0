/*
 * strategy - the table of all strategies.
 */
#include "strategy/strategy.h"

#include <string.h>

const struct strategy_ops *const strategy_table[] = {
    &strategy_round_robin,
    NULL,
};

const struct strategy_ops *
strategy_find(const char *name)
{
    for (size_t i = 0; strategy_table[i] != NULL; i++) {
        if (strcmp(strategy_table[i]->name, name) == 0)
            return strategy_table[i];
    }
    return NULL;
}
