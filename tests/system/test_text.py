"""Tables on screen: columns stand below each other whatever letters a name has."""

from fewshot_fer.system.text import text_table


def test_wide_letters_and_accents() -> None:
    """A Korean or Japanese letter takes two places of a terminal, a combining accent none."""
    rows = [("행복", "1"), ("喜び!", "10"), ("joie\u0301", "2"), ("joy", "3")]
    assert text_table(rows, left=1).splitlines() == [
        "행복    1",
        "喜び!  10",
        "joie\u0301    2",
        "joy     3",
    ]
