"""Prototypes from text: a class starts from sentences about it, read by a CLIP's text tower.

A prototype is the mean of several sentences' embeddings at unit length (Radford et al., ICML 2021,
section 3.1.4: ensembling over prompts), in the space of the image tower. It is a prior in the same
machinery as composed prototypes: alone without a support, beside one it counts for as many pictures
as these show (`shrinkage.shrink`). Text and images lie apart as a whole, which is the offset there.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot_fer.config.model_schema import MethodConfig
from fewshot_fer.data.labels import canonical
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.models.methods.prototypes import simpleshot_logits
from fewshot_fer.models.methods.registry import register_method
from fewshot_fer.system.errors import ConfigError

TEXT = "text"  # what it uses beside a support
TEMPLATES = (
    "a photo of a face that looks {}",
    "a photo of a person who looks {}",
    "a close-up photo of a {} face",
    "a photo of a person with a {} expression",
)
ADJECTIVES = {
    "anger": "angry",
    "anxiety": "anxious",
    "contempt": "contemptuous",
    "disappointment": "disappointed",
    "disgust": "disgusted",
    "fear": "fearful",
    "happiness": "happy",
    "helplessness": "helpless",
    "sadness": "sad",
    "surprise": "surprised",
}
"""How a face with an expression looks; any other class stands in the templates by its name."""
AT_UNIT_LENGTH = "a text tower's embeddings are compared with images' at unit length, around zero"
Encode = Callable[[Sequence[str]], Tensor]
"""n texts -> embeddings [n, D] on the CPU, in the space of the images'."""

register_method(
    TEXT,
    normalise="l2",
    of_means=True,
    zero_shot=True,
    refuses=dict.fromkeys(("none", "cl2n"), f"{AT_UNIT_LENGTH}: add method.normalise=l2"),
)(simpleshot_logits)


@dataclass(frozen=True, kw_only=True)
class TextPriors(Priors):
    """Priors of class prototypes from text about the classes.

    encode: the text tower; prompts: canonical class -> its sentences, where TEMPLATES are not to be
    taken. What training knows of classes of its own is not used, but how far pictures spread.
    """

    encode: Encode
    prompts: Mapping[str, Sequence[str]]
    _known: dict[str, Tensor] = field(default_factory=dict, compare=False, repr=False)

    @property
    def uses(self) -> str:
        """What a method with these priors knows beside a support, as tables say it."""
        return TEXT if self.weight is None else f"{TEXT}, weight {self.weight:g}"

    def of(self, class_names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return priors [C, D] of unit length and which classes [C] have one: all with letters, or
        with prompts of their own."""
        width = self.prototypes.shape[1]
        made = [
            self._vector(name) if self.parts_of(name) else torch.zeros(width)
            for name in class_names
        ]
        known = torch.tensor([bool(self.parts_of(name)) for name in class_names])
        return torch.stack(made) if made else torch.zeros(0, width), known

    def parts_of(self, class_name: str) -> tuple[str, ...]:
        """Return what a class's prior is made of: text, or nothing where its name says nothing."""
        return (TEXT,) if prompts_of(class_name, self.prompts) else ()

    def require(
        self, class_names: Sequence[str], what: str, instead: str = "k_shot above 0"
    ) -> None:
        """Raise ConfigError if nothing can be said of a class, so that it needs a support."""
        require_words(self.prompts, class_names, what, instead)

    def _vector(self, class_name: str) -> Tensor:
        """Return the prior [D] of a class, made once."""
        name = canonical(class_name)
        if name not in self._known:
            each = F.normalize(self.encode(prompts_of(name, self.prompts)).double(), dim=-1)
            self._known[name] = F.normalize(each.mean(dim=0), dim=-1).float()
        return self._known[name]


def text_priors(priors: Priors, encode: Encode, prompts: Mapping[str, Sequence[str]]) -> TextPriors:
    """Return priors from text in the place of those that training has of its classes."""
    own = {each.name: getattr(priors, each.name) for each in fields(Priors)}
    return TextPriors(**own, encode=encode, prompts=prompts)


def prompts_of(class_name: str, prompts: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the sentences about a class: given ones by its canonical name, else TEMPLATES; none
    where its name has no letter.

    >>> prompts_of("Happily_Surprised", {})[0], prompts_of("joy", {})[2], prompts_of("7", {})
    ('a photo of a face that looks happily surprised', 'a close-up photo of a happy face', [])
    """
    name = canonical(class_name)
    if name in prompts:
        return list(prompts[name])
    if not re.search(r"[^\W\d_]", name):
        return []
    return [template.format(ADJECTIVES.get(name, name)) for template in TEMPLATES]


def require_words(
    prompts: Mapping[str, Sequence[str]],
    class_names: Sequence[str],
    what: str,
    instead: str = "k_shot above 0",
) -> None:
    """Raise ConfigError if nothing can be said of a class, so that it needs a support.

    instead: how its pictures are given.
    """
    if lacking := [name for name in class_names if not prompts_of(name, prompts)]:
        raise ConfigError(
            f"{what}: no picture and no word of {', '.join(lacking)}: give pictures ({instead}), "
            f"or sentences in training with +method.prompts.NAME=['a photo of ...']"
        )


def named_prompts(settings: MethodConfig) -> dict[str, tuple[str, ...]]:
    """Return canonical class -> its sentences. Raises ConfigError for a class that is named twice
    or has no sentence."""
    named: dict[str, tuple[str, ...]] = {}
    for spelling, sentences in settings.prompts.items():
        name = canonical(spelling)
        if name in named:
            raise ConfigError(f"method.prompts: {name} stands there twice, as {spelling} too")
        if not sentences or not all(sentence.strip() for sentence in sentences):
            raise ConfigError(
                f"method.prompts.{spelling} is empty: give sentences, ['a photo of a {spelling} "
                f"face']"
            )
        named[name] = tuple(sentences)
    return named


def text_tower(encoder: nn.Module, method: str = TEXT) -> Encode:
    """Return what reads text for an encoder: its own method `encode_texts`, or that of a network in
    it. Raises ConfigError where it has none."""
    for part in encoder.modules():
        if callable(found := getattr(part, "encode_texts", None)):
            encode: Encode = found
            return encode
    raise ConfigError(
        f"method={method} reads text, and this encoder sees images alone: take backbone=open_clip "
        f"backbone.weights=/path/open_clip_model.safetensors"
    )
