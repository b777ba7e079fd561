"""Settings of the encoder and of the method, as dataclasses that Hydra takes as schemas."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from fewshot_fer.config.quoting import PathText

NEUTRAL = ("none", "subject")  # whose neutral face embeddings are relative to
KINDS = ("none", "l2", "cl2n")  # of normalising
NAMED_WEIGHTS = ("none", "imagenet", "packaged")  # any other are a file
LEARNT = "learnt"  # a composition: a map that a run learns on mixed pictures
PROBABILITIES = ("geometric", "harmonic")  # compositions of the parts' probabilities
COMPOSITIONS = ("mean", "unit", "neutral", LEARNT, *PROBABILITIES)  # of the parts of a class
SUPPORT, VALIDATION = FOUND_IN = ("support", "validation")  # the weight of a prior


@dataclass
class BackboneConfig:
    """The encoder, and the side of the square images that it is given, in pixels."""

    name: str = (
        MISSING  # conv4, resnet12, one of torchvision's, timm/NAME, open_clip/NAME, file or onnx
    )
    filters: int = 64  # conv4 only
    image_size: int | None = None  # null: as the weights were made for; else 84
    weights: PathText = "none"  # or imagenet, packaged (face_expression), or a file
    accept_size: bool = False  # give images of another size than the weights were made for
    drop_block: float = 0.0  # resnet12: share of the last two blocks' maps that training drops

    @property
    def side(self) -> int:
        """image_size, once it is settled."""
        assert self.image_size is not None
        return self.image_size


@dataclass
class MethodConfig:
    """How logits come from support and query embeddings."""

    name: str = MISSING  # a name in conf/method/
    normalise: str = "none"  # embeddings: none, l2 (unit length) or cl2n (centred before)
    prior_weight: str = "support"  # composed and text: a number, or where it is found
    composition: str = "mean"  # composed only: mean, unit, neutral, learnt, geometric or harmonic
    part_weights: list[float] = field(
        default_factory=list
    )  # composed only, in the order of names: [0.4,0.6]
    parts: dict[str, list[str]] = field(default_factory=dict)  # class -> training classes in it
    prompts: dict[str, list[str]] = field(default_factory=dict)  # text only: class -> sentences
    refine: str = "none"  # by an episode's queries besides: none, bdcspn, laplacian(shot) or tim
    neutral: str = "none"  # subject: evaluated relative to each subject's neutral face
