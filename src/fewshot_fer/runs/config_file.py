"""The configuration of a run that is there already, and the card of its encoder beside it.

A run that began with weights from elsewhere says in encoder.yaml whose they were. With an encoder
from a file it needs no more than that card: its checkpoints hold the weights.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from fewshot_fer.config.model_schema import BackboneConfig
from fewshot_fer.config.quoting import literal
from fewshot_fer.config.read import read_settings
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.models.backbones.card import Card, read_card, write_card
from fewshot_fer.models.backbones.open_clip_towers import FAMILY
from fewshot_fer.models.backbones.registry import encoder_card
from fewshot_fer.models.methods.registry import check_training
from fewshot_fer.system.errors import ConfigError, RunError, UnknownNameError
from fewshot_fer.system.files import read_yaml_text

LAST = ("seed", "device", "precision")  # that every version wrote, near the end
REMOVED = ("dataset.outside",)  # ends of keys that earlier versions wrote, and this one has not
CARD = "encoder.yaml"


class _Loader(yaml.SafeLoader):
    """Plain values, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for place, (key, _) in enumerate(node.value):
            if key.value in keys[:place]:
                raise yaml.YAMLError(f"duplicate key {key.value}{key.start_mark}")
        return super().construct_mapping(node, deep)


def read_run_settings(run: Path) -> TrainVerb:
    """Return the settings of a trained run. Raises RunError if `run` is no folder of one."""
    path = run / "config.yaml"
    if not path.is_file():
        raise RunError(f"{run} is not the folder of a trained run: it holds no config.yaml")
    try:
        loaded = yaml.load(read_yaml_text(path), Loader=_Loader) or {}
        if not isinstance(loaded, dict):
            raise ConfigError("it holds no settings")
        # Through a ${...} a stranger's file could read variables of the environment; a run writes
        # none, but folders may be called so.
        content = _literal(loaded)
        merged = OmegaConf.merge(OmegaConf.structured(TrainVerb), _without_removed(content))
        settings = read_settings(merged, TrainVerb)  # type: ignore[arg-type]
        check_training(settings)
        if lacking := [key for key in LAST if key not in loaded]:
            raise ConfigError(f"it is cut off, for it lacks {', '.join(lacking)}")
        return settings
    except UnknownNameError as error:
        raise RunError(
            f"{run} needs {error.setting}, which no module has registered: give plugins=my_module, "
            f"the module that it was trained with"
        ) from error
    except Exception as error:  # YAML has no one class for what it meets in a strange file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunError(f"{path} is not the configuration of a trained run: {reason}") from error


def keep_card(settings: BackboneConfig, run: Path) -> Card:
    """Return the card of an encoder, written into the folder of a run that began with its weights.

    Raises WriteError.
    """
    card = encoder_card(settings)
    if settings.weights != "none":
        write_card(run / CARD, card)
    return card


def kept_card(settings: TrainVerb, run: Path) -> Card:
    """Return the card of a run's encoder: that in its folder or, of earlier versions, what its
    settings say."""
    if not (run / CARD).is_file():
        return encoder_card(settings.backbone)
    return read_card(_beside_card(settings.backbone, run))


def with_kept_encoder(settings: TrainVerb, run: Path) -> TrainVerb:
    """Return a run's settings with the card of its encoder that its folder holds, if any."""
    backbone = settings.backbone
    of_card = backbone.name in ("file", "onnx") or backbone.name.startswith(FAMILY)
    if not of_card or not (run / CARD).is_file():
        return settings
    weights = str(_beside_card(backbone, run))
    return replace(settings, backbone=replace(backbone, weights=weights))


def _beside_card(settings: BackboneConfig, run: Path) -> Path:
    """Return where a run's card looks for the weights, which lie in its checkpoints instead."""
    return (run / CARD).with_suffix(".onnx" if settings.name == "onnx" else ".safetensors")


def _without_removed(content: Any, key: str = "") -> Any:  # noqa: ANN401
    """Return a configuration without the settings that earlier versions had."""
    if not isinstance(content, dict):
        return content
    keys = {name: f"{key}.{name}" for name in content}
    return {
        name: _without_removed(content[name], full)
        for name, full in keys.items()
        if not full.endswith(REMOVED)
    }


def _literal(content: Any) -> Any:  # noqa: ANN401
    """Return a configuration in which every text stands for itself."""
    if isinstance(content, dict):
        return {key: _literal(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_literal(value) for value in content]
    return literal(content) if isinstance(content, str) else content
