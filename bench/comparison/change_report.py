"""Tables of bench/reload: proxies side by side, and fproxy against the goals of many apps."""

from .report import lay_out, show

CHANGE_ROWS = {
    "start_s": "start s", "clients": "clients", "refused": "... refused", "reset": "... reset",
    "eof": "... closed early", "timeout": "... timed out", "polls_failed": "polls failed",
    "max_ms": "slowest client ms", "effective_ms": "effective after ms",
    "effective_worst_ms": "... worst", "last_old_ms": "old target until ms",
    "never_effective": "never effective", "cpu_ms": "CPU ms/change",
    "idle_percent": "idle CPU %", "pss_mb": "PSS MB", "pss_peak_mb": "... peak",
    "left_over": "processes left over",
}

# (metric, below what it has to stay; 0: what must not be): of a pool, of a process an app
POOL_GOALS = [("start_s", 4), ("pss_mb", 100), ("reload_effective_ms", 50),
              ("watch_effective_ms", 300), ("reload_cpu_ms", 20), ("reload_failed", 0),
              ("watch_failed", 0), ("reload_never_effective", 0),
              ("watch_never_effective", 0), ("not_ready", 0)]
PROCESS_GOALS = [("pss_kb_app", 500), ("idle_5s_percent", 4), ("not_ready", 0)]


def changes(apps, count, results):
    """`results`: {way: {metric: number}}"""
    rows = [[f"{apps} apps, {count} changes"] + list(results) + ["", ""]]
    for metric, title in CHANGE_ROWS.items():
        rows.append([title] + [show(one.get(metric)) for one in results.values()] + ["", ""])
    return lay_out(rows)


def verdict(value, limit):
    if value is None:
        return f"not measured (< {show(limit)})"
    met = value <= 0 if limit == 0 else value < limit
    return f"{'yes' if met else 'NO'} ({'0' if limit == 0 else '< ' + show(limit)})"


def many(apps, pool, result):
    goals = dict(POOL_GOALS if pool else PROCESS_GOALS)
    title = f"{apps} apps, " + (f"pool of {pool}" if pool else "a process each")
    rows = [[title, "fproxy", "reached", ""]]
    for metric in list(result) + [metric for metric in goals if metric not in result]:
        value = result.get(metric)
        goal = verdict(value, goals[metric]) if metric in goals else ""
        rows.append([metric.replace("_", " "), show(value), goal, ""])
    return lay_out(rows)
