"""What a verb wrote: its folder, its tables, and the text that the command line shows."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from fewshot_fer.config.hydra import Job
from fewshot_fer.system.errors import RunError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Output:
    """What a verb wrote. folder: where its files lie; text: what the command line shows."""

    folder: Path
    text: str

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables in the folder, such as predictions or report."""
        return tuple(sorted(file.stem for file in self.folder.glob("*.csv")))

    def table(self, name: str) -> "pd.DataFrame":
        """Return a table by its name. Raises UserError, with those that there are."""
        import pandas as pd

        if name not in self.tables:
            there = ", ".join(self.tables) or "none"
            raise RunError(f"{self.folder} holds no table {name}; there are: {there}")
        try:
            return pd.read_csv(self.folder / f"{name}.csv")
        except (ValueError, OSError) as error:
            raise RunError(f"{self.folder / name}.csv cannot be read: {error}") from error

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        pages = [str(escape(page)) for page in sorted(self.folder.glob("*.html"))]
        links = "".join(f'<p><a href="{page}">{page}</a></p>' for page in pages)
        return f"<pre>{escape(self.text)}</pre>{links}"


@dataclass(frozen=True, repr=False)
class CheckOutput(Output):
    """What `check` found. is_invalid: whether results on these data would be wrong."""

    is_invalid: bool = False

    @property
    def content(self) -> dict[str, Any]:
        """What check.json holds: all findings with all paths; empty where none was written."""
        file = self.folder / "check.json"
        found: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        return found

    def to_frame(self) -> "pd.DataFrame":
        """Return a row a finding: level, title, detail, paths, count. With `data=` a data set."""
        import pandas as pd

        content = self.content
        return pd.DataFrame(content.get("findings", content.get("fits", [])))


@dataclass(frozen=True)
class Screen:
    """Takes text for the screen of a command, and keeps it."""

    job: Job
    shown: list[str] = field(default_factory=list)

    def __call__(self, text: str) -> None:
        self.shown.append(text)
        self.job.show(text)

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.shown)
