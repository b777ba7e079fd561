"""Refuse settings of train, check and test that cannot work: ranges and contradictions."""

from fewshot_fer.config.check_recipe import check_recipe
from fewshot_fer.config.clip_settings import check_clips, check_unit
from fewshot_fer.config.model_schema import (
    COMPOSITIONS,
    FOUND_IN,
    KINDS,
    NEUTRAL,
    PROBABILITIES,
    MethodConfig,
)
from fewshot_fer.config.names import a_device, at_least, inside, one_of, require_name
from fewshot_fer.config.schema import (
    LAYOUTS,
    LOGGERS,
    VOTES,
    WITHIN,
    DatasetConfig,
    EvalConfig,
    TestVerb,
    TrainVerb,
    draws_episodes,
)
from fewshot_fer.config.shards import check_shards
from fewshot_fer.config.train_schema import TrainConfig
from fewshot_fer.system.errors import ConfigError


def check_train(settings: TrainVerb) -> None:
    """Raise ConfigError naming the key and the fix."""
    train = settings.train
    for key in ("episodes_per_epoch", "k_shot", "n_query", "frames"):
        at_least(f"train.{key}", getattr(train, key), 1)
    at_least("train.n_way", train.n_way, 2)
    check_unit("train.unit", train.unit)
    for key in ("epochs", "drop_lr_every", "patience"):
        at_least(f"train.{key}", getattr(train, key), 0)
    at_least("train.episodes_per_step", train.episodes_per_step, 1)
    _check_steps(settings)
    _check_schedule(train)
    at_least("train.batch_size", train.batch_size, 2)
    at_least("train.least_batches", train.least_batches, 0)
    one_of("train.class_weights", train.class_weights, ("none", "root", "inverse"))
    one_of("train.tested", train.tested, ("best", "last"))
    _check_dataset("dataset", settings.dataset)
    check_recipe(settings)
    _check_model(settings)
    _check_eval("eval", settings.eval)
    _check_tests(settings)
    _check_shared(settings)


def _check_steps(settings: TrainVerb) -> None:
    train, devices = settings.train, settings.trainer.devices
    at_least("trainer.devices", devices, 1)
    given = f"train.episodes_per_step={train.episodes_per_step}"
    if devices > 1:
        given += f" on each of trainer.devices={devices}"
    if train.episodes_per_epoch % (train.episodes_per_step * devices) and draws_episodes(settings):
        raise ConfigError(
            f"train.episodes_per_epoch={train.episodes_per_epoch} is no multiple of {given}"
        )
    if devices > train.batch_size:
        raise ConfigError(
            f"train.batch_size={train.batch_size} is below trainer.devices={devices}: give each of "
            f"them an image"
        )


def _check_schedule(train: TrainConfig) -> None:
    inside("train.lr", train.lr, 0.0, 10.0, above_low=True)
    if train.episodic_lr is not None:
        inside("train.episodic_lr", train.episodic_lr, 0.0, 10.0, above_low=True)
    inside("train.encoder_rate", train.encoder_rate, 0.0, 10.0, above_low=True)
    one_of("train.optimiser", train.optimiser, ("adam", "adamw", "sgd"))
    one_of("train.schedule", train.schedule, ("step", "cosine", "one_cycle"))
    inside("train.weight_decay", train.weight_decay, 0.0, 1.0)
    inside("train.average", train.average, 0.0, 0.99999)
    inside("train.label_smoothing", train.label_smoothing, 0.0, 0.9)
    inside("train.classification_weight", train.classification_weight, 0.0, 100.0)
    at_least("train.supervised_epochs", train.passes, 0)
    if train.passes > train.epochs:
        raise ConfigError(
            f"train.supervised_epochs={train.supervised_epochs} is more than "
            f"train.epochs={train.epochs}, which counts them in: give both"
        )


def _check_model(settings: TrainVerb) -> None:
    at_least("backbone.filters", settings.backbone.filters, 1)
    if settings.backbone.image_size is not None:
        inside("backbone.image_size", settings.backbone.image_size, 16, 512)
    _check_method(settings.method)
    for key in ("per_set", "per_class"):
        if (count := getattr(settings.mix, key)) is not None:
            at_least(f"mix.{key}", count, 1)
    one_of("precision", settings.precision, ("float32", "float64", "bf16"))
    one_of("logger", settings.logger, LOGGERS)
    inside("demo.scale", settings.demo.scale, 0.0, 20.0, above_low=True)
    at_least("demo.seed", settings.demo.seed, 0)
    for name in settings.demo.layouts:
        require_name("demo.layouts", name, "dataset")


def _check_method(method: MethodConfig) -> None:
    """Raise ConfigError for an unknown name, or a value out of range."""
    require_name("method.name", method.name, "method")
    one_of("method.normalise", method.normalise, KINDS)
    one_of("method.composition", method.composition, COMPOSITIONS)
    one_of("method.neutral", method.neutral, NEUTRAL)
    _check_prior_weight(method.prior_weight)
    _check_part_weights(method)
    for name, parts in method.parts.items():
        if not parts:
            raise ConfigError(f"method.parts.{name} is empty: name its parts, as in [sadness,fear]")


def _check_part_weights(method: MethodConfig) -> None:
    """Raise ConfigError where the parts of a class cannot be weighed, or refined, in this way."""
    weights = method.part_weights
    for weight in weights:
        inside("method.part_weights", weight, 0.0, 1e6)
    if weights and (len(weights) < 2 or not sum(weights)):
        raise ConfigError(
            f"method.part_weights={weights}: give a number for each part of a class, in the order "
            f"of its name, one of them above 0, as [0.4,0.6]; leave it out for equal ones"
        )
    if method.composition in PROBABILITIES and method.refine != "none":
        raise ConfigError(
            f"method.refine={method.refine} goes on from prototypes, and "
            f"method.composition={method.composition} composes probabilities: take "
            f"method.composition=mean, or leave method.refine out"
        )


def _check_prior_weight(given: str) -> None:
    if given in FOUND_IN:
        return
    try:
        inside("method.prior_weight", float(given), 0.0, 1e6)
    except ValueError:
        raise ConfigError(
            f"method.prior_weight={given}: give a number of pictures, or {' or '.join(FOUND_IN)}"
        ) from None


def check_test(settings: TestVerb) -> None:
    """Raise ConfigError naming the key and the fix."""
    if not settings.test:
        raise ConfigError("nothing to test: name a test, or several: test=afew_4w5s,basic_7w1s")
    if settings.checkpoint is not None:
        one_of("checkpoint", settings.checkpoint, ("best", "last"))
    if settings.neutral is not None:
        one_of("neutral", settings.neutral, NEUTRAL)
    check_shards(settings.shards, settings.shard, settings.keep_embeddings)
    _check_tests(settings)
    _check_shared(settings)


def _check_tests(settings: TrainVerb | TestVerb) -> None:
    for name, test in settings.test.items():
        _check_eval(f"test.{name}", test)
        if settings.methods and test.kind != "episodes":
            raise ConfigError(
                f"methods={','.join(settings.methods)}: {name} has a fixed support, and methods "
                f"are compared in episodes: take a test such as compound_4w5s"
            )


def _check_shared(settings: TrainVerb | TestVerb) -> None:
    one_of("episodes.disjoint", settings.episodes.disjoint, ("group", "image"))
    one_of("episodes.within", settings.episodes.within, WITHIN)
    one_of("on_bad_image", settings.on_bad_image, ("error", "skip"))
    a_device(settings.device)
    if settings.threads is not None:
        at_least("threads", settings.threads, 1)
    if settings.seed is not None:
        inside("seed", settings.seed, 0, 2**32 - 1)


def _check_eval(where: str, settings: EvalConfig) -> None:
    _check_dataset(f"{where}.dataset", settings.dataset)
    one_of(f"{where}.kind", settings.kind, ("episodes", "fixed"))
    at_least(f"{where}.k_shot", settings.k_shot, 1 if settings.kind == "fixed" else 0)
    check_clips(where, settings)
    if settings.kind == "fixed":
        if settings.n_way != 0:
            raise ConfigError(f"{where}.n_way={settings.n_way}: a fixed support has all classes, 0")
        at_least(f"{where}.support_draws", settings.support_draws, 1)
        return
    at_least(f"{where}.n_way", settings.n_way, 2)
    at_least(f"{where}.n_query", settings.n_query, 1)
    at_least(f"{where}.episodes", settings.episodes, 2)
    at_least(f"{where}.repeats", settings.repeats, 1)


def _check_dataset(where: str, settings: DatasetConfig) -> None:
    require_name(f"{where}.adapter", settings.adapter, "dataset")
    if settings.layout is not None:
        one_of(f"{where}.layout", settings.layout, LAYOUTS)
    one_of(f"{where}.votes", settings.votes, VOTES)
    for name in settings.sets:
        require_name(f"{where}.sets", name, "dataset")
    if settings.sets and settings.adapter != "union":
        raise ConfigError(
            f"{where}.sets is of a union: give {where}.adapter=union, or dataset=union"
        )
    if settings.skip_missing and settings.adapter != "union" and where == "dataset":
        raise ConfigError(
            f"{where}.skip_missing=true: a run needs this data set. It is for the sets of "
            f"dataset=union, and for tests"
        )
