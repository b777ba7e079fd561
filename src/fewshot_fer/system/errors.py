"""Exceptions: errors that a command prints as one line, and its end by a signal."""

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something the user can put right: printed as one line, without a traceback, exit code 2.

    The message names the file, class or key, what was expected, what was found and what to type.
    """


class ConfigError(UserError):
    """A key or a value in the configuration that cannot work."""


@contextmanager
def needing_extra(extra: str, what: str) -> Iterator[None]:
    """Turn an ImportError into a ConfigError that says how to install the extra for `what`."""
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"{what} takes the extra '{extra}' ({error}): pip install 'fewshot_fer[{extra}]'"
        ) from error


class UnknownNameError(ConfigError):
    """A name of which neither conf/ nor an imported module knows anything.

    setting: what named it, as `method.name=mine`.
    """

    def __init__(self, message: str, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting


class DataError(UserError):
    """Something on disk that is missing, damaged or laid out in an unknown way."""


class NotThereError(DataError):
    """A data set that does not lie in the folder where it was looked for."""


class NoFaceError(DataError):
    """A class of which no picture shows a face."""


class EpisodeError(UserError):
    """A table that cannot give the episodes that the settings want."""


class SmallClassError(EpisodeError):
    """Classes that are too small for what is drawn, where the settings do not leave them out.

    found: which they are and what they have, without what to type.
    """

    def __init__(self, message: str, found: str = "") -> None:
        super().__init__(message)
        self.found = found


class TrainingError(UserError):
    """Training that cannot go on with its settings: a loss that is no number, too little memory."""


class RunError(UserError):
    """A run's folder that cannot be read, or does not fit the settings."""


class WriteError(RunError):
    """A file that cannot be written: a full disk, a folder that is gone or must not be changed."""


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """Raised after SIGINT or SIGTERM; within an epoch, once the current step has finished.

    number: of the signal.
    """

    def __init__(self, number: int, message: str = "interrupted") -> None:
        super().__init__(message)
        self.number = number

    @property
    def exit_code(self) -> int:
        """Exit code that a shell gives a process ended by the signal: 130 or 143."""
        return 128 + self.number
