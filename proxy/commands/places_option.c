#include "proxy/commands/command.h"
#include "proxy/supervisor/supervisor.h"

const struct argp_option command_ask_options[] = {
    OPTION_ROW_JSON,
    OPTION_ROWS_PLACES,
    { 0 },
};

error_t
command_place_option(int key, char *arg, struct argp_state *state,
                     struct supervisor_options *options)
{
    const char **place;

    switch (key) {
    case 'c':
        place = &options->config_path;
        break;
    case KEY_STATE_DIR:
        place = &options->state_dir;
        break;
    case KEY_RUNTIME_DIR:
        place = &options->runtime_dir;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    if (arg[0] == '\0')
        argp_error(state, "an empty path names nothing");
    *place = arg;
    return 0;
}
