"""The notebooks run from their first cell to their last one, on few drawn faces."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from command_processes import start_call

FOLDER = Path(__file__).parents[2] / "docs/notebooks"
SMALLER = {
    '"paths=demo"': '"paths=demo", "train.least_batches=0", "backbone.image_size=32"',
    "scale=0.1": "scale=0.02",
    "SCALE = 0.1": "SCALE = 0.02",
    "epochs=6": "epochs=1",
    "episodes_per_epoch=40": "episodes_per_epoch=4",
    "(1, 2, 5)": "(1, 2)",
    "300": "10",
    "600": "10",
}


def last_value(source: str, names: dict[str, Any]) -> object:
    """Run a cell; return the value of its last line, as a notebook shows it."""
    *before, last = ast.parse(source).body
    exec(compile(ast.Module(before, []), "cell", "exec"), names)
    if not isinstance(last, ast.Expr):
        exec(compile(ast.Module([last], []), "cell", "exec"), names)
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def run_notebook(name: str) -> None:
    """Run all cells of a notebook, smaller, at least two of which show something."""
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    shown = 0
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        source = "".join(cell["source"])
        for given, smaller in SMALLER.items():
            source = source.replace(given, smaller)
        shown += last_value(source, names) is not None
    assert shown >= 2


@pytest.mark.slow
@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("name", ["study", "your_faces", "new_method"])
def test_notebook_runs(name: str, cache: Path, tmp_path: Path) -> None:
    """And shows tables, scores or figures; in a process of its own, as one registers a method."""
    code, printed = start_call(tmp_path, cache, run_notebook, name).end()
    assert code == 0, printed


def test_every_notebook_is_run() -> None:
    """By the test above."""
    assert {file.stem for file in FOLDER.glob("*.ipynb")} == {"study", "your_faces", "new_method"}
