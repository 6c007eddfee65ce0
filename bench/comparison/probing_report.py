"""Tables of bench/probing: medians of the rounds, ratios within them, and the goals."""

from statistics import median

from .report import lay_out, show

ROWS = {
    "first_round_s": "all known after s", "cpu_percent": "CPU of the prober, % of a core",
    "cpu_all_percent": "... of all processes",
    "pss_mb": "PSS of the prober MB", "probes_s": "probes/s of those that work",
    "late": "... later than their jitter", "gap_max_s": "... longest time without one, s",
    "black_probes_s": "probes/s of black holes", "black_late": "... later than their jitter",
    "black_gap_max_s": "... longest time without one, s",
    "overruns": "probe_overrun told", "false_failures": "false failures",
    "false_down": "false changes of state", "false_passes": "black holes that passed",
    "history_lost": "history_lost told",
}
MUST_NOT_BE = ("late", "black_late", "overruns", "false_failures", "false_down", "false_passes",
               "history_lost")


def goals(count, black_every):
    """{metric: limit}; None: at most what haproxy takes."""
    limits = dict.fromkeys(MUST_NOT_BE, 0)
    if count == 10000 and black_every == 10:
        limits["cpu_percent"] = 40
    elif count == 1000 and not black_every:
        limits["cpu_percent"] = None
    return limits


def ratio(metric, results):
    rounds = zip(results.get("fproxy", []), results.get("haproxy", []))
    ratios = [one[metric] / other[metric] for one, other in rounds if other.get(metric)]
    return median(ratios) if ratios else None


def verdict(metric, limits, results):
    ours = [one[metric] for one in results.get("fproxy", []) if metric in one]
    if metric not in limits or not ours:
        return ""
    if limits[metric] is not None:
        worst = max(ours)
        met = worst <= 0 if limits[metric] == 0 else worst < limits[metric]
        return f"{'yes' if met else 'NO'} (worst {show(worst)}, goal {show(limits[metric])})"
    value = ratio(metric, results)
    return "" if value is None else f"{'yes' if value <= 1 else 'NO'} (<= 1 x haproxy)"


def table(title, results, limits):
    """`results`: {proxy: [{metric: number}]}"""
    rows = [[title] + list(results) + ["fproxy is", "reached"]]
    for metric, name in ROWS.items():
        values = [[one[metric] for one in rounds if metric in one]
                  for rounds in results.values()]
        if not any(values):
            continue
        value = ratio(metric, results) if metric.startswith("cpu") else None
        rows.append([name] + [show(median(one)) if one else "-" for one in values] +
                    ["" if value is None else f"{value:.2f} x haproxy",
                     verdict(metric, limits, results)])
    return lay_out(rows)
