"""What a preset says of the paper that it follows, and of what is done otherwise here."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class PaperConfig:
    """A published protocol. It changes no figure; it stands on screen and in reports."""

    title: str = ""  # who published it, and where; "": the run follows none
    pretrained: str = "none"  # what its encoder knew before training, as results.csv names it
    differs: list[str] = field(default_factory=list)  # from the paper or its code, a sentence each

    def lines(self) -> Iterator[str]:
        """Yield what to print before a run starts; nothing where it follows no paper."""
        if self.title:
            yield f"after {self.title}; what differs from it:"
            yield from (f"  - {each}" for each in self.differs)
