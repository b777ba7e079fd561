"""Modules that can be called: `fewshot_fer.train` is a verb's module and a function at once."""

import sys
from collections.abc import Callable
from types import ModuleType


class CallableModule(ModuleType):
    """Module of a verb, for `python -m`, that works as the library's function of its name."""

    __wrapped__: Callable[..., object]

    def __call__(self, *words: object, **options: object) -> object:
        """Call the function, whose signature help and notebooks show as this one's."""
        return self.__wrapped__(*words, **options)


def make_callable(module: str, function: Callable[..., object]) -> None:
    """Let a module, given by its name, be called as a function.

    A module takes its name in the package when it is imported, in the place of a function of that
    name: `fewshot_fer.train(...)` must work all the same.
    """
    itself = sys.modules[module]
    itself.__class__ = CallableModule
    itself.__wrapped__ = function  # type: ignore[attr-defined]
