"""python -m fewshot_fer.train: learn from one data set, validate and test on others."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from fewshot_fer.cli.launch import launch
from fewshot_fer.config.hydra import in_sweep


def train(config: DictConfig, folder: Path) -> None:
    """Check the configuration and run it; results lie in `folder`."""
    from fewshot_fer.config.checks import validate
    from fewshot_fer.config.schema import TrainVerb

    settings = validate(config, TrainVerb)
    # Import torch late: wrong settings then fail in milliseconds.
    from fewshot_fer.config.hydra import choices
    from fewshot_fer.training.launch import launch_training, resume_training

    if settings.resume is not None:
        resume_training(settings, list(HydraConfig.get().overrides.task))
        return
    launch_training(settings, folder, resumed=in_sweep(), choices=choices())


def main() -> None:
    """Entry point of the command line."""
    launch("train", train)


if __name__ == "__main__":
    main()
