"""The one family of errors that are meant for the person at the keyboard."""


class UserError(Exception):
    """Something the user can put right: printed as one line, without a traceback, exit code 2.

    The message names the file, class or key, what was expected, what was found and what to type.
    """


class ConfigError(UserError):
    """A key or a value in the configuration that cannot work."""


class UnknownNameError(ConfigError):
    """A name of which neither conf/ nor an imported module knows anything.

    setting: what named it, as `method.name=mine`.
    """

    def __init__(self, message: str, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting


class DataError(UserError):
    """Something on disk that is missing, damaged or laid out in an unknown way."""


class EpisodeError(UserError):
    """A table that cannot give the episodes that were asked for."""


class TrainingError(UserError):
    """Training that cannot go on as it is set: a loss that is no number, too little memory."""


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """Somebody asked for an end with a signal, and the step under way was finished first."""

    def __init__(self, number: int, told: str = "interrupted") -> None:
        super().__init__(told)
        self.number = number  # of the signal

    @property
    def exit_code(self) -> int:
        """What a shell gives for a process that the signal ended: 130 or 143."""
        return 128 + self.number


class RunError(UserError):
    """A run's folder that cannot be read, or does not fit what is asked of it."""


class WriteError(RunError):
    """A file that cannot be written: a full disk, a folder that is gone or must not be changed."""
