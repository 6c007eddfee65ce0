"""Tables of bench/failing: medians over the rounds, and the worst where it differs."""

from statistics import median

from .report import lay_out, show

ROWS = {
    "clients": "clients", "failed": "clients that failed",
    "failed_unreached": "... without having reached it", "over_100ms": "waited over 100 ms",
    "over_600ms": "... over 600 ms", "p99_ms": "p99 ms to the first byte",
    "max_ms": "worst ms to the first byte", "sent_after": "sent there while it failed",
    "last_sent_ms": "last one sent there after ms", "again_ms": "used again after ms",
}
COUNTED = ("clients",)              # as planned: nothing to tell of rounds


def in_ms(result):
    return {**result, "p99_ms": result["p99_us"] / 1e3, "max_ms": result["max_us"] / 1e3}


def cell(metric, results):
    """Of the rounds of one proxy. A round in which something never happened is the worst."""
    measured = [one[metric] for one in results if metric in one]
    if not measured:
        return "-"
    values = [float("inf") if value is None else value for value in measured]
    middle, worst = median(values), max(values)
    text = "never" if middle == float("inf") else show(middle)
    if metric in COUNTED or worst == middle:
        return text
    return f"{text} ({'never' if worst == float('inf') else show(worst)})"


def rows(failure, results):
    """`results`: {proxy: [{metric: number}]}"""
    table = [[failure] + list(results)]
    for metric, title in ROWS.items():
        table.append([title] + [cell(metric, [in_ms(one) for one in rounds])
                                for rounds in results.values()])
    return table


def table(failure, results):
    return lay_out([row + ["", ""] for row in rows(failure, results)])


def markdown(failure, results):
    lines = ["| " + " | ".join(row) + " |" for row in rows(failure, results)]
    lines.insert(1, "|---" * (len(results) + 1) + "|")
    return "\n".join(lines)
