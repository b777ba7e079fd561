"""The benchmark writes the manual's tables, and nothing else of a page."""

from pathlib import Path

import benchmark
import pytest
from benchmarking.alternating import Spread, compared
from benchmarking.methods import seconds_by_method
from benchmarking.pages import names_of, rewritten, tables, write_page
from benchmarking.result import Figure, Target

from fewshot_fer.system.errors import RunError

PERFORMANCE = Path(__file__).parents[2] / "docs/performance.md"
MACHINES = {"cpu": "a machine of 2 cores"}
PAGE = """# Speed

Before.

<!-- benchmark: evaluation -->
old

| a | b |
<!-- end -->

Between, with <!-- a comment -->.

<!-- benchmark: evaluation cuda -->
from another machine
<!-- end -->
After.
"""


def test_only_what_is_marked_and_measured_is_written() -> None:
    made = rewritten(PAGE, {"evaluation": "new\n", "training": "has no place here\n"})
    assert made == PAGE.replace("old\n\n| a | b |\n", "new\n")
    assert rewritten(PAGE, {}) == PAGE


def test_a_table_is_written_again_over_itself(tmp_path: Path) -> None:
    """A second writing leaves the page as the first one did, with command and machine beside."""
    page = tmp_path / "performance.md"
    page.write_text(PAGE)
    ratio = compared([3.0, 8.0, 5.0], [1.0, 2.0, 1.0])
    figure = Figure("evaluation", "100 episodes", "easyfsl", "x", ratio, target=Target(3, True))
    for _ in range(2):
        write_page(page, [figure], MACHINES, ["scripts/benchmark.py", "--quick"])
        text = page.read_text()
        assert "`python scripts/benchmark.py --quick` on 2" in text
        assert (
            ", a machine of 2 cores:\n\n| what | against | median | min | max | must be |" in text
        )
        assert "| 100 episodes | easyfsl | 4.00x | 3.00x | 5.00x | at least 3.00x |\n" in text
        assert text.count("| 100 episodes |") == 1
    assert text[: text.index("`python")] == PAGE[: PAGE.index("old")]
    assert text.endswith(PAGE[PAGE.index("<!-- end -->") :])


def test_figures_of_a_gpu_stand_by_themselves() -> None:
    """A run without one leaves what a GPU gave on another day."""
    one = Spread(1.0, 1.0, 1.0, 1)
    figures = [Figure("training", "", "", "s", one, device=device) for device in ("cpu", "cuda")]
    made = tables(figures, {"cpu": "two cores:", "cuda": "one card:"})
    assert {name: text.split("\n")[0] for name, text in made.items()} == {
        "training": "two cores:",
        "training cuda": "one card:",
    }


@pytest.mark.parametrize("end", [0, 2])
def test_refuses_marks_without_a_pair(end: int, tmp_path: Path) -> None:
    """The text between two tables would be written over."""
    page = tmp_path / "page.md"
    page.write_text(PAGE.replace("<!-- end -->\n", "<!-- end -->\n" * end, 1))
    before = page.read_text()
    with pytest.raises(RunError, match=r"page\.md"):
        write_page(page, [], {}, [])
    assert page.read_text() == before
    with pytest.raises(RunError, match=r"cannot read .*missing\.md"):
        write_page(tmp_path / "missing.md", [], {}, [])


def test_marks_of_the_manual_name_sections() -> None:
    """Each section has its table there, one measured on a GPU as well."""
    names = names_of(PERFORMANCE.read_text(encoding="utf-8"))
    assert len(set(names)) == len(names)
    assert {name.removesuffix(" cuda") for name in names} == set(benchmark.SECTIONS)


def test_seconds_of_a_method_are_over_all_tests(tmp_path: Path) -> None:
    table = tmp_path / "methods.csv"
    table.write_text("protocol,method,seconds\na,own,2\na,tim,0.5\nb,own,1\nb,tim,0\n")
    assert seconds_by_method(table) == {"own": 3.0, "tim": pytest.approx(0.501)}
