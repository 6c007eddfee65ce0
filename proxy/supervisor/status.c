#include "proxy/supervisor/status.h"

#include "base/clock.h"
#include "proxy/supervisor/ports.h"

static json_t *
pid_json(pid_t pid)
{
    return pid > 0 ? json_integer(pid) : json_null();
}

static json_t *
end_json(const char *last_end)
{
    return last_end == NULL || last_end[0] == '\0' ? json_null() : json_string(last_end);
}

static json_t *
time_json(int64_t wall_ms)
{
    char text[TIME_TEXT_BYTES];

    return wall_ms == 0 ? json_null() : json_string(clock_format_utc(wall_ms, text));
}

/* A number, or a text where the port is of one address only. */
static json_t *
ports_json(const struct app_listen *ports, uint32_t count)
{
    json_t *array = json_array();

    for (uint32_t i = 0; array != NULL && i < count; i++) {
        char text[ADDRESS_TEXT_BYTES];
        json_t *port = ports[i].address.family == 0
                           ? json_integer(ports[i].address.port)
                           : json_string(port_text(&ports[i], text));

        if (json_array_append_new(array, port) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *
rollout_json(const struct app_rollout *rollout, const char *config_error)
{
    const char *outcome = config_error != NULL ? "failed" : rollout->outcome;
    const char *reason = config_error != NULL ? config_error : app_rollout_reason(rollout);

    if (rollout->started_at_ms == 0)
        return json_null();
    return json_pack("{s:o, s:s, s:o, s:o}", "outcome",
                     outcome[0] == '\0' ? json_null() : json_string(outcome), "reason", reason,
                     "started_at",
                     time_json(rollout->started_at_ms), "finished_at",
                     time_json(rollout->finished_at_ms));
}

json_t *
status_app_json(const struct app_status *status)
{
    json_t *overrides = status->overrides != NULL ? status->overrides : json_array();

    return json_pack("{s:s, s:s, s:b, s:I, s:o, s:{s:s, s:o, s:b, s:b, s:o}, s:I, s:{s:I, s:I}, "
                     "s:I, s:o, s:s?, s:o}", "name", status->name, "state", status->state,
                     "ready", status->ready, "generation", (json_int_t)status->generation,
                     "ports", ports_json(status->ports, status->port_count),
                     "worker", "name", status->worker, "pid", pid_json(status->process.pid),
                     "outdated", status->outdated, "crash_loop", status->process.looping,
                     "last_end", end_json(status->process.last_end),
                     "connections", (json_int_t)status->connections,
                     "targets", "available", (json_int_t)status->available,
                     "total", (json_int_t)status->total, "panics", (json_int_t)status->panics,
                     "overrides", overrides, "rollback", status->rollback, "last_rollout",
                     rollout_json(status->rollout, status->config_error));
}

json_t *
status_json(const char *version, pid_t supervisor_pid, uint64_t uptime_s,
            const struct process_status *prober, bool prober_ready, json_t *probe_lag,
            json_t *config_errors, json_t *apps)
{
    return json_pack("{s:s, s:{s:i, s:I}, s:{s:o, s:b, s:b, s:o, s:o}, s:o, s:o}", "version",
                     version, "supervisor", "pid", (int)supervisor_pid, "uptime_s",
                     (json_int_t)uptime_s, "prober", "pid", pid_json(prober->pid), "ready",
                     prober_ready, "crash_loop", prober->looping, "last_end",
                     end_json(prober->last_end), "probe_lag", probe_lag, "config_errors",
                     config_errors, "apps", apps);
}
