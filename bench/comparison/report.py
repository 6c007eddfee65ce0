"""From the numbers of all rounds to the table: medians, ratios, and what is to be reached."""

from statistics import median

# metric: (title, is more better)
METRICS = {
    "rate": ("rate", True), "p50_us": ("p50 us", False), "p99_us": ("p99 us", False),
    "cpu_us": ("CPU us", False), "bytes": ("bytes/connection", False),
    "bytes_from_start": ("... from the start", False),
    "pss_fresh_kb": ("PSS at start KB", False), "pss_full_kb": ("PSS at 5000 KB", False),
    "clients": ("clients", True), "max_us": ("max us", False),
    "over_100ms": ("over 100 ms", False), "over_600ms": ("over 600 ms", False),
    "failed": ("failed", False), "failed_unreached": ("failed, not reached", False),
    "sent_in_all": ("connects in all", True),
    "sent_after": ("sent there after", False), "last_sent_ms": ("last sent ms", False),
}
UNITS = {"conn": "connections/s", "msg64": "messages/s", "msg1": "messages/s",
         "bulk8": "MB/s", "stream1": "MB/s"}
PER = {"conn": "connection", "msg64": "message", "msg1": "message", "bulk8": "MB",
       "stream1": "MB"}

# (workload, metric): ("ratio", whom to compare with, limit) or ("value", limit)
OPERATIONS = {"rate": ("ratio", "best", 1.0), "p99_us": ("ratio", "best", 1.0),
              "cpu_us": ("ratio", "best", 1.0)}
GOALS = {(workload, metric): goal for workload in ("conn", "msg64", "msg1")
         for metric, goal in OPERATIONS.items()}
GOALS |= {("bulk8", "cpu_us"): ("ratio", "haproxy", 0.66),
          ("stream1", "cpu_us"): ("ratio", "haproxy", 0.66),
          ("idle", "bytes"): ("value", 1024), ("blackhole", "over_100ms"): ("value", 10),
          ("blackhole", "over_600ms"): ("value", 0), ("blackhole", "failed"): ("value", 0),
          ("blackhole", "p99_us"): ("value", 5000),
          ("kill", "failed_unreached"): ("value", 0), ("kill", "last_sent_ms"): ("value", 10)}


def ratio(results, metric, against):
    """The median over the rounds of fproxy's number by that of another, or the best."""
    others = [against] if against != "best" else [
        name for name in results if name not in ("direct", "fproxy")]
    if "fproxy" not in results or not all(name in results and results[name] for name in others):
        return None
    pick = max if METRICS[metric][1] else min
    ratios = []
    for number, one in enumerate(results["fproxy"]):
        other = pick((results[name][number][metric] for name in others), default=0)
        if other > 0:
            ratios.append(one[metric] / other)
    return median(ratios) if ratios else None


def show(value):
    if value is None:
        return "-"
    if value >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def against_goal(workload, metric, results):
    """(ratio as text, verdict as text)"""
    goal = GOALS.get((workload, metric))
    better = METRICS[metric][1]
    if goal and goal[0] == "value":
        if "fproxy" not in results:
            return "", f"(goal <= {show(goal[1])})"
        value = max(one[metric] for one in results["fproxy"])
        return "", f"{'yes' if value <= goal[1] else 'NO'} (worst {show(value)} <= {goal[1]})"
    against = goal[1] if goal else ("haproxy" if workload in ("bulk8", "stream1") else "best")
    if not goal and metric not in ("rate", "p50_us", "bytes"):
        return "", ""
    value = ratio(results, metric, against)
    if value is None:
        return "", ""
    text = f"{value:.2f} x {against}"
    if not goal:
        return text, ""
    met = value >= goal[2] if better else value <= goal[2]
    return text, f"{'yes' if met else 'NO'} ({'>=' if better else '<='} {goal[2]})"


def title(workload, metric):
    if metric == "rate":
        return UNITS[workload]
    if metric == "cpu_us":
        return f"CPU us/{PER[workload]}"
    return METRICS[metric][0]


def table(workload, results):
    names = list(results)
    metrics = [metric for metric in METRICS
               if any(metric in one for name in names for one in results[name])]
    rows = [[workload] + names + ["fproxy is", "reached"]]
    for metric in metrics:
        row = [title(workload, metric)]
        for name in names:
            values = [one[metric] for one in results[name] if metric in one]
            hidden = name == "direct" and metric == "cpu_us"
            row.append("-" if hidden or not values else show(median(values)))
        rows.append(row + list(against_goal(workload, metric, results)))
    return lay_out(rows)


def lay_out(rows):
    """Columns: the first and the last two to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:-2], widths[1:-2])]
        cells += [row[-2].ljust(widths[-2]), row[-1]]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
