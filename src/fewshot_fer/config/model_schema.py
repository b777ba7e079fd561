"""Settings of the encoder and of the method, as dataclasses that Hydra takes as schemas."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from fewshot_fer.config.quoting import PathText

NEUTRAL = ("none", "subject")  # whose neutral face embeddings are relative to
KINDS = ("none", "l2", "cl2n")  # of normalising
NAMED_WEIGHTS = ("none", "imagenet", "packaged")  # any other are a file
COMPOSITIONS = ("mean", "unit", "neutral")  # of the parts of a class
SUPPORT, VALIDATION = FOUND_IN = ("support", "validation")  # the weight of a prior


@dataclass
class BackboneConfig:
    """The encoder, and the side of the square images that it is given, in pixels."""

    name: str = MISSING  # conv4, resnet12, one of torchvision's, timm/NAME, file or onnx
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
    prior_weight: str = "support"  # composed only, as are the next: a number, or where it is found
    composition: str = "mean"  # how parts are put together: mean, unit or neutral
    parts: dict[str, list[str]] = field(default_factory=dict)  # class -> training classes in it
    refine: str = "none"  # by an episode's queries besides: none, bdcspn, laplacianshot or tim
    neutral: str = "none"  # subject: evaluated relative to each subject's neutral face
