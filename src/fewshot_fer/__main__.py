"""fewshot-fer VERB key=value ...: all verbs below one command, and its completion in a shell."""

import ast
import difflib
import importlib
import sys
from pathlib import Path

from fewshot_fer import __version__

VERBS = ("train", "test", "check", "predict", "prepare", "report", "export", "demo_app")
USER_ERROR = 2  # exit code


def main() -> None:
    """Entry point of `fewshot-fer` and of `python -m fewshot_fer`.

    Exits with code 2 and one line on stderr for a verb that is not known.
    """
    verb, *words = sys.argv[1:] or ["--help"]
    if verb in ("-h", "--help", "help"):
        print(overview())
    elif verb in ("-V", "--version"):
        print(f"fewshot-fer {__version__}")
    elif verb in ("completion", "complete"):
        from fewshot_fer.cli import completion

        completion.main(verb, words)
    elif verb.replace("-", "_") in VERBS:
        verb = verb.replace("-", "_")
        sys.argv[1:] = words
        importlib.import_module(f"fewshot_fer.{verb}").main()
    else:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(VERBS)}"
        print(f"error: {verb} is not a verb of fewshot-fer; {hint}", file=sys.stderr)
        sys.exit(USER_ERROR)


def overview() -> str:
    """Return the verbs with what each does: the first lines of their modules."""
    lines = [f"fewshot-fer {__version__}: few-shot facial-expression experiments", ""]
    for verb in VERBS:
        # Read, not imported: pandas and Hydra would take longer than the page takes to read.
        source = Path(__file__).with_name(f"{verb}.py").read_text(encoding="utf-8")
        text = (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]
        lines.append(f"  {verb:<10} {text.partition(': ')[2]}")
    return "\n".join(
        [
            *lines,
            "",
            "fewshot-fer VERB --help shows what can be chosen and set, and how to start.",
            'eval "$(fewshot-fer completion bash)" completes verbs, names and keys by Tab.',
        ]
    )


if __name__ == "__main__":
    main()
