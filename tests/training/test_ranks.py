"""Several processes that train one network: the numbers of one, also when one of them dies."""

import os
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from command_processes import CommandProcess, start_command, wait_for
from conftest import TINY, Command
from small_networks import small_encoder
from timm.layers import BatchNormAct2d
from torch import nn

from fewshot_fer.models.shared_batch_norm import share_batch_norms, unshare_batch_norms
from fewshot_fer.system.errors import ConfigError
from fewshot_fer.system.ranks import all_gather, rank_slice

EPOCHS = ("train.epochs=4", "train.supervised_epochs=2", "test=compound_4w5s", "test.episodes=20")
LINE = (*TINY, "train=pretrain_meta", *EPOCHS, "precision=float64", "threads=1")
CHANGES = (  # of images, some with partners that the other process has
    *("train.augment.mixup=0.4", "train.augment.cutmix=1.0", "train.augment.erase=0.5"),
    *("train.augment.rotate=10", "train.crops=2", "train.rotation_weight=0.5"),
    *("train.compounds.share=0.3", "train.compounds.after=0.25"),  # in three of four epochs
    "method.composition=learnt",
)
# A head with batch norms of its own, and statistics that are renewed for averaged weights.
WITH_NORMS = ("method=relation", "train.average_last=0.5")
FROM_WEIGHTS = (
    *("backbone.weights=start.pth", "train.frozen_stages=2", "train.layer_decay=0.5"),
    *("train.l2_start=0.1", "train.teacher=teacher", "train.distil=0.5"),
)
FIGURES = ["train_loss", "train_accuracy", "val_loss", "val_accuracy"]


def start(place: tuple[Path, Path], data: Path, *words: str) -> CommandProcess:
    """Start a training run of two processes in a folder, with a cache: the two places."""
    line = [*LINE, "trainer.devices=2", f"paths.data={data}", "hydra.run.dir=two"]
    return start_command(*place, "train", *line, *words)


def ranks_of(number: int) -> list[int]:
    """Return the processes that train, of the one that started them."""
    children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    return [int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]


def same_figures(one: Path, other: Path, tolerance: float) -> None:
    """Compare every epoch, the results and the weights of two runs.

    Figures are written in six digits, of which the last may round the other way.
    """
    written = {"rtol": max(tolerance, 1e-5), "atol": tolerance}
    first, second = (pd.read_csv(folder / "metrics.csv")[FIGURES] for folder in (one, other))
    pd.testing.assert_frame_equal(first, second, **written)
    first, second = (pd.read_csv(folder / "results.csv") for folder in (one, other))
    columns = ["role", "protocol", "accuracy", "loss", "n_images"]
    pd.testing.assert_frame_equal(first[columns], second[columns], **written)
    weights = [torch.load(folder / "last.pt", weights_only=True) for folder in (one, other)]
    assert weights[0]["epoch"] == weights[1]["epoch"] == 4
    for part in ("encoder", "method", "rotation"):
        for name, value in (weights[0][part] or {}).items():
            other_value = weights[1][part][name].double()
            assert torch.allclose(value.double(), other_value, atol=tolerance), name


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_two_give_the_numbers_of_one_also_when_one_dies(
    data: Path, cache: Path, command: Command, tmp_path: Path
) -> None:
    """One with episodes_per_step=2, two with one each; killed in between, they go on."""
    words = (
        *LINE,
        *WITH_NORMS,
        *CHANGES,
        "train.episodes_per_step=2",
        f"paths.data={data}",
        "hydra.run.dir=alone",
    )
    assert command("train", *words).code == 0
    started = start((tmp_path, cache), data, *WITH_NORMS, *CHANGES)
    wait_for(tmp_path, "two/last.pt", started)
    os.kill(ranks_of(started.number)[-1], signal.SIGKILL)
    code, told = started.end()
    assert code == 2
    assert "process 1 of 2 died (SIGKILL)" in told
    assert f"resume={tmp_path / 'two'}" in told
    assert "Traceback" not in told
    code, told = start_command(tmp_path, cache, "train", "resume=two").end()
    assert code == 0, told
    same_figures(tmp_path / "alone", tmp_path / "two", tolerance=1e-6)


@pytest.mark.slow
def test_two_learn_from_weights_and_a_teacher_as_one_does(
    data: Path, cache: Path, command: Command, tmp_path: Path
) -> None:
    """Frozen stages, whose weights get no gradient, rates by stage, a pull to the start, logits of
    another run."""
    torch.save(small_encoder().state_dict(), "start.pth")
    places = (f"paths.data={data}", "hydra.run.dir=teacher")
    assert command("train", *TINY, "train=pretrain", "train.epochs=1", *places).code == 0
    words = (*LINE, *FROM_WEIGHTS, "train.episodes_per_step=2", f"paths.data={data}")
    alone = command("train", *words, "hydra.run.dir=alone")
    assert alone.code == 0, alone.err
    code, told = start((tmp_path, cache), data, *FROM_WEIGHTS).end()
    assert code == 0, told
    same_figures(tmp_path / "alone", tmp_path / "two", tolerance=1e-6)
    kept = torch.load("two/last.pt", weights_only=True)["encoder"]["norms.1.running_mean"]
    assert torch.equal(kept.float(), small_encoder().norms[1].running_mean)


@pytest.mark.slow
def test_an_error_of_a_process_is_printed_as_one_line(
    data: Path, cache: Path, tmp_path: Path
) -> None:
    """What is wrong with the data is said as with one process."""
    code, told = start((tmp_path, cache), data / "nothing").end()
    assert code == 2
    assert told.count("error: ") == 1
    assert "RAF-DB" in told
    assert "Traceback" not in told
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("trainer.devices=0",), "trainer.devices"),
        (("trainer.devices=3",), "no multiple of train.episodes_per_step=1 on each of"),
        (("train=pretrain", "trainer.devices=65"), "is below trainer.devices=65"),
    ],
)
def test_devices_that_cannot_share_a_step_are_refused(
    words: tuple[str, ...], expected: str, command: Command
) -> None:
    outcome = command("train", *words)
    assert outcome.code == 2
    assert expected in outcome.err


def test_one_process_has_everything() -> None:
    """Protects the usual run, in which nothing is shared or gathered."""
    assert rank_slice(7) == slice(0, 7)
    own = torch.randn(3, 4)
    assert all_gather(own, dim=1) is own


def plain_norms() -> list[nn.BatchNorm2d]:
    """A batch norm, one without weights, one that counts all batches alike, and timm's with an
    activation behind it."""
    made = [nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False), nn.BatchNorm2d(4, momentum=None)]
    made.append(BatchNormAct2d(4, inplace=False))
    return [norm.double() for norm in made]


def norms_and_shares() -> list[tuple[nn.BatchNorm2d, int]]:
    """Each, with 3 of 5 images on the first rank, and with all of them."""
    return [(norm, first) for first in (3, 5) for norm in plain_norms()]


def batch_and_weights() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    shape = (5, 4, 6, 6)
    images = torch.randn(shape, generator=random, dtype=torch.float64)
    return 3 + 2 * images, torch.randn(shape, generator=random, dtype=torch.float64)


def normalised(norm: nn.Module, share: slice) -> dict[str, torch.Tensor | None]:
    """Return a share of the batch normalised, its gradient, and the running statistics."""
    images, weights = (each[share].clone() for each in batch_and_weights())
    outputs = norm(images.requires_grad_())
    (outputs * weights).sum().backward()
    made = {"outputs": outputs.detach(), "gradient": images.grad}
    return made | {"mean": norm.running_mean, "variance": norm.running_var}


def norms_in_two(rank: int, folder: str) -> None:
    """Normalise this rank's share of a batch, and keep what came out."""
    from torch import distributed

    file = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=file, rank=rank, world_size=2)
    kept = []
    for norm, first in norms_and_shares():
        network = nn.Sequential(norm)
        share_batch_norms(network)
        kept.append(normalised(network[0], slice(first) if rank == 0 else slice(first, 5)))
        unshare_batch_norms(network)
        assert type(norm) in (nn.BatchNorm2d, BatchNormAct2d)
    for foreign in (nn.BatchNorm1d(4), nn.InstanceNorm2d(4, track_running_stats=True)):
        with pytest.raises(ConfigError, match=r"0 \(\w+\) keeps running statistics"):
            share_batch_norms(nn.Sequential(foreign))
    torch.save(kept, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_batch_norms_over_two_equal_one(tmp_path: Path) -> None:
    """Outputs, gradients and running statistics, with uneven shares and an empty one; what else
    keeps statistics is refused, as each process would have its own."""
    torch.multiprocessing.start_processes(  # forked: neither has to import torch anew
        norms_in_two, (str(tmp_path),), nprocs=2, start_method="fork"
    )
    every = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for (norm, _), *found in zip(norms_and_shares(), *every, strict=True):
        expected = normalised(norm, slice(5))
        for key in ("outputs", "gradient"):
            assert torch.allclose(torch.cat([each[key] for each in found]), expected[key])
        for each in found:
            assert torch.allclose(each["mean"], expected["mean"])
            assert torch.allclose(each["variance"], expected["variance"])
