"""Text that a command prints: its --help page, warnings, and errors of the user as one line each.

Hydra's own help page copies all that is registered once for every group that it lists, which takes
twice the time. `--hydra-help` stays Hydra's.
"""

import contextlib
import logging
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.cli.sweep import FLAGS
from fewshot_fer.config.conf_files import conf_dir, shown_names
from fewshot_fer.config.hydra import compose
from fewshot_fer.system.errors import Interrupted, UserError
from fewshot_fer.system.screen import lost_output

USER_ERROR = 2  # exit codes
INTERRUPTED = 130
BROKEN_PIPE = 141
LONGEST = 1600  # characters of a message
HELP = frozenset({"--help", "-h"})
WIDTH = 100
PLUGINS_LINE = "plugins=my_module imports a module that registers a method, adapter or encoder."


def show_warnings() -> None:
    """Send the package's warnings and remarks to stderr, one line each."""
    shown = logging.StreamHandler(sys.stderr)
    shown.setFormatter(_Line())
    log = logging.getLogger("fewshot_fer")
    log.handlers = [shown]
    log.setLevel(logging.INFO)


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return prefix + record.getMessage()


@contextlib.contextmanager
def errors_as_lines(full_error: bool) -> Iterator[None]:
    """Print an error of the user as one line and exit with 2; exit with a signal's code after one.

    full_error: let errors of the user through instead, with their traceback.
    """
    try:
        yield
    except (UserError, HydraException, OmegaConfBaseException) as error:
        if full_error:
            raise
        print_error(error)
        sys.exit(USER_ERROR)
    except OSError as error:  # a folder that cannot be written, no temporary folder at all
        if full_error or error.strerror is None:
            raise
        print_error(error)
        sys.exit(USER_ERROR)
    except Interrupted as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def require_output() -> None:
    """Exit where what was printed did not reach standard output, in silence for a closed pipe."""
    lost = lost_output()
    if isinstance(lost, BrokenPipeError):
        sys.exit(BROKEN_PIPE)
    if lost is not None:
        print(f"error: standard output cannot be written: {lost.strerror}", file=sys.stderr)
        sys.exit(USER_ERROR)


def print_error(error: BaseException) -> None:
    """Print `error: ` and the message, one line on stderr."""
    print(f"error: {one_line(error)}", file=sys.stderr)


def one_line(error: BaseException) -> str:
    """Return an error's message, and that of its cause where Hydra hides the reason there."""
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    parts = [str(error)]
    cause = error.__cause__
    if not isinstance(error, UserError) and cause is not None and str(cause) not in parts[0]:
        parts.append(str(cause))
    text = " ".join(" ".join(parts).split())
    text = re.sub(r"\s*Config search path:.*$", "", text)
    # Hydra lists every evaluation that is derived, one by one.
    if listed := re.search(r"Available options in '(eval|test)':.*", text):
        text = text.replace(listed[0], f"Available options: {', '.join(shown_names(listed[1]))}")
    # Of a name in a list Hydra does not say what could be there.
    if unknown := re.search(r"Could not load '(\w+)/[^']*'\.", text):
        text += f" Available: {', '.join(shown_names(unknown[1]))}"
    text = re.sub(r"\s*(full_key: \S+|object_type=\S+|reference_type=\S+)", "", text)
    # Files hold lines of any length, and what is wrong with one is said at both ends.
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 4 :]}"


def help_page(verb: str, words: Sequence[str]) -> str:
    """Return the page for a verb, with the settings that it has under the words that were typed.

    Raises HydraException and OmegaConfBaseException for words that do not compose.
    """
    config = compose(verb, [word for word in words if word not in (*FLAGS, *HELP)], with_hydra=True)
    header, groups = str(config.hydra.help.header), _groups(config)
    with open_dict(config):
        del config["hydra"]
    sections = [header]
    if groups:
        sections.append("== What can be chosen (group=name) ==\n\n" + "\n".join(groups) + "\n")
    sections.append(f"== Settings (key.below=value) ==\n\n{OmegaConf.to_yaml(config)}")
    return "\n".join([*sections, PLUGINS_LINE, f"Files: {conf_dir()}"])


def _groups(config: DictConfig) -> list[str]:
    """Return a line for each group of conf/ that the verb takes, with its names."""
    taken = set(config.hydra.runtime.choices)
    if "test" in config:
        taken |= {"test", "sweep"}
    folders = sorted({"test", *(path.name for path in conf_dir().iterdir() if path.is_dir())})
    return [
        textwrap.fill(
            f"{group}: {', '.join(shown_names(group))}",
            WIDTH,
            subsequent_indent="    ",
            break_on_hyphens=False,
        )
        for group in folders
        if group in taken
    ]
