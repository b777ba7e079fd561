"""Rows of results.csv as they stand on the screen: an aligned table, and lines below it."""

from fewshot_fer.system.files import Row
from fewshot_fer.system.text import interval, percent, text_table

HEADINGS = (
    *("role", "data set", "method", "episodes", "accuracy", "95 % episodes", "95 % groups"),
    *("UAR", "chance", "majority", "loss", "epoch"),
)
LEVELS = {
    "image": "images",
    "frame": "frames",
    "clip": "clips",
    "clip_complete": "clips, lost ones too",
}


def results_table(results: list[Row]) -> str:
    """Return rows of results.csv as an aligned table under HEADINGS, fractions in percent."""
    return text_table([HEADINGS, *(_cells(row) for row in results)], left=4)


def result_lines(results: list[Row]) -> list[str]:
    """Return what stands below the table: votes of frames beside clips, repeated tests."""
    return [*filter(None, map(vote_text, results)), *_repeat_lines(results)]


def vote_text(row: Row) -> str:
    """Return a line on what votes of frames gain over embeddings of clips, "" for other rows."""
    if row.get("gain") is None:
        return ""
    gain, low, high = (f"{100 * row[name]:+.1f}" for name in ("gain", "gain_low", "gain_high"))
    which = f"{row['role']} {row['protocol']}, {row['method']}"
    return (
        f"{which}: frames that vote, less embeddings of clips: {gain} points "
        f"(95 %: {low}..{high}), {row['verdict']}"
    )


def _repeat_lines(results: list[Row]) -> list[str]:
    """Return the interval of each test that was repeated, as papers report it."""
    return [
        f"{row['role']} {row['protocol']}, {row['method']}: {percent(row['accuracy'])} "
        f"± {100 * row['repeats_ci95']:.2f} over the means of {row['repeats']} runs of episodes, "
        f"as papers give it; these share their images: for other images see 95 % groups"
        for row in results
        if (row.get("repeats") or 1) > 1
    ]


def _cells(row: Row) -> tuple[str, ...]:
    repeats = row.get("repeats") or 1
    count = f"{repeats} x {row['episodes'] // repeats}" if repeats > 1 else f"{row['episodes']}"
    shape = f"{count} x {row['n_way']}-way {row['k_shot']}-shot"
    if row.get("unit") == "clip":
        shape += " of clips, frames vote" if row["level"] == "clip_vote" else " of clips"
    if row.get("deviation") is not None:  # a fixed support
        shape += f", {row['n_query']} {LEVELS[row['level']]}"
    if row.get("n_left_out"):
        shape += f", {row['n_left_out']} of {row['n_query'] * row['episodes']} left out"
    return (
        row["role"],
        row["dataset"],
        row["method"],
        shape,
        percent(row["accuracy"]),
        interval(row["ci95_low"], row["ci95_high"]),
        interval(row["group_ci95_low"], row["group_ci95_high"]),
        percent(row["uar"]),
        percent(row["chance"]),
        percent(row["majority"]),
        f"{row['loss']:.3f}",
        str(row["epoch"]),
    )
