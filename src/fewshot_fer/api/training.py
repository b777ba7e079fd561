"""Train from Python, with the words of the command line or with settings."""

from pathlib import Path

from hydra.errors import HydraException
from omegaconf import open_dict
from omegaconf.errors import OmegaConfBaseException

from fewshot_fer.api.run import Run, load_run
from fewshot_fer.cli.messages import one_line
from fewshot_fer.cli.overrides import hydra_words
from fewshot_fer.cli.sweep import FLAGS
from fewshot_fer.config.check_train import check_train
from fewshot_fer.config.hydra import compose, run_id
from fewshot_fer.config.read import read_settings
from fewshot_fer.config.schema import TrainVerb
from fewshot_fer.system.errors import ConfigError
from fewshot_fer.training.launch import launch_training


def train(*words: str | TrainVerb, folder: str | Path | None = None) -> Run:
    """Train a run and return it; its tables lie in run.folder.

    words: as typed, "experiment=demo", "train.epochs=2", or one settings object; folder: where the
    run is written, by default a new one in outputs/train/. Raises UserError for settings that
    cannot work, and where data or disk fail.
    """
    settings, chosen = _settings(words)
    names = [settings.dataset.adapter, chosen.get("experiment")]
    new = Path(settings.paths.outputs) / "train" / run_id(*names)
    path = new if folder is None else Path(folder).expanduser()
    launch_training(settings, path, resumed=False, choices=chosen)
    return load_run(path)


def _settings(words: tuple[str | TrainVerb, ...]) -> tuple[TrainVerb, dict[str, str]]:
    """Return the settings, and which file of conf/ was taken for each group."""
    objects = [word for word in words if isinstance(word, TrainVerb)]
    if objects:
        if len(words) > 1:
            raise ConfigError("train: give words, or one settings object, not both")
        check_train(objects[0])
        return objects[0], {}
    typed = [str(word) for word in words]
    if any(word in FLAGS or word.startswith("sweep=") for word in typed):
        raise ConfigError("train: a sweep is typed on the command line: call train() for each run")
    try:
        config = compose("train", hydra_words("train", typed), with_hydra=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error)) from error
    choices = config.hydra.runtime.choices.items()
    chosen = {str(k): str(v) for k, v in choices if not str(k).startswith("hydra/")}
    with open_dict(config):
        del config["hydra"]
    return read_settings(config, TrainVerb), chosen
