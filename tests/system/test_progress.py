"""Bars are shown to whoever looks: in a terminal, in a notebook, and nowhere else."""

import sys
from types import SimpleNamespace

import pytest
from tqdm import auto

from fewshot_fer.system.progress import tqdm


def notebook(shell: object) -> SimpleNamespace:
    return SimpleNamespace(get_ipython=lambda: shell)


@pytest.mark.parametrize(
    ("module", "shown"),
    [
        (None, False),
        (notebook(None), False),  # imported by a script
        (notebook(SimpleNamespace()), False),  # IPython in a terminal, which is piped here
        (notebook(SimpleNamespace(kernel=1)), True),
    ],
)
def test_a_notebook_shows_bars_though_it_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: object,
    shown: bool,
) -> None:
    """As the output of tests is none either."""
    monkeypatch.setitem(sys.modules, "IPython", module)
    with tqdm(range(3), desc="counting", disable=None) as bar:
        assert list(bar) == [0, 1, 2]
    assert ("counting: 100%" in capsys.readouterr().err) == shown
    assert not shown or isinstance(bar, auto.tqdm)
