"""Choose the runs whose curves, matrices and mistakes stand on a page that has to be sent.

They are what grows with the epochs, the tests and the classes of a run; its settings, its figures
and the command that repeats it stand there for every run.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from fewshot_fer.reports.html.charts import run_curves
from fewshot_fer.reports.html.collect import Run
from fewshot_fer.reports.html.groups import Group
from fewshot_fer.reports.html.mistakes import Mistake

MOST_DRAWN = 7_000_000  # characters of a page
CELL, PICTURE = 40, 200  # about so many each, of a matrix and of a picture with its lines
Mistakes = Mapping[int, Mapping[tuple[str, str, str], Sequence[Mistake]]]
"""As in `page.Findings`."""


def drawn_curves(
    runs: Sequence[Run], groups: Sequence[Group], mistakes: Mistakes, most: int = MOST_DRAWN
) -> dict[int, Markup]:
    """Return number of the run -> its curves, for the runs that there is room for.

    Those that stand highest in any table come first; the first one is always drawn.
    """
    drawn: dict[int, Markup] = {}
    taken = 0
    for run in _best_first(runs, groups):
        curves = run_curves(run)
        cells = sum(confusion.counts.size for confusion in run.confusions)
        pictures = sum(map(len, mistakes.get(run.number, {}).values()))
        taken += len(curves) + CELL * cells + PICTURE * pictures
        if drawn and taken > most:
            break
        drawn[run.number] = curves
    return drawn


def _best_first(runs: Sequence[Run], groups: Sequence[Group]) -> Iterator[Run]:
    places: dict[int, float] = {}
    for group in groups:
        for place, result in enumerate(group.results):
            number = result.run.number
            places[number] = min(place, places.get(number, math.inf))
    yield from sorted(runs, key=lambda run: (places.get(run.number, math.inf), run.number))
