"""Two processes that train one network on the CPU, and what a step sends between them."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import distributed, nn

from benchmarking.ours import Ours
from benchmarking.setting import Setting
from benchmarking.worker import seconds_of
from fewshot_fer.models.shared_batch_norm import ACTIVATED, share_batch_norms

N_RANKS, STEPS, FLOAT = 2, 4, 4  # steps of an epoch of episodes; bytes of a number
KINDS = {"episodes": "train", "supervised": "learn"}
ADDED, GATHERED = "gloo:all_reduce", "gloo:all_gather"  # messages of a step
NODE = "autograd::engine::evaluate_function"  # a part of a backward
Span = tuple[float, float]


class TwoRanks:
    """Starts two processes for epochs of both kinds, and watches the messages between them."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def watch(self, _: int) -> float:
        """Write what is found to `ranks.json` in the cache; return the seconds that it takes."""
        Ours(self.setting)  # the images are packed once
        return seconds_of(self._start, "cpu")

    def _start(self) -> None:
        meeting = self.setting.cache / f"meeting-{self.setting.backbone}"
        torch.multiprocessing.start_processes(  # type: ignore[no-untyped-call, attr-defined]
            _train_as_rank, (self.setting, meeting), nprocs=N_RANKS, start_method="fork"
        )


def _train_as_rank(rank: int, setting: Setting, meeting: Path) -> None:
    file = f"file://{meeting}"
    distributed.init_process_group("gloo", init_method=file, rank=rank, world_size=N_RANKS)
    torch.set_num_threads(1)
    found = {kind: _watched(setting, task, rank) for kind, task in KINDS.items()}
    if rank == 0:
        text = json.dumps(found)
        (setting.cache / "ranks.json").write_text(text, encoding="utf-8")
    distributed.barrier()
    distributed.destroy_process_group()


def _watched(setting: Setting, task: str, rank: int) -> dict[str, float]:
    """Return what the steps of an epoch send, after one in which buckets are laid out; of rank 0,
    of others nothing."""
    ours = Ours(setting)
    share_batch_norms(ours.encoder)
    train = getattr(ours, task)
    train(2 * N_RANKS if task == "train" else 1)
    count = STEPS * N_RANKS if task == "train" else 1
    if rank:
        train(count)
        return {}
    cpu = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=cpu, record_shapes=True) as profile:
        train(count)
    training = ours.training if task == "train" else ours.supervised
    n_steps = STEPS if task == "train" else -(-len(ours.images) // setting.batch)
    return facts(profile.events(), training.network.modules(), n_steps)


def facts(events: Any, network: nn.Module, n_steps: int) -> dict[str, float]:  # noqa: ANN401
    """Return messages and bytes of a step and what they must be at least, and the share of the
    gradients' time under way in which a backward computes.

    At least: the gradients once; of each batch norm mean, variance and count of its maps, and the
    two sums of its backward. An epoch's end, which gathers losses and predictions, is not counted.
    """
    added = [event for event in events if event.name == ADDED]
    gathered = [event for event in events if event.name == GATHERED]
    widths: list[int] = [
        cast(Any, each).num_features for each in filter(is_norm, network.modules())
    ]
    backward, of_gradients = split_by_numbers(added, [2 * width for width in widths] * n_steps)
    forward, _ = split_by_numbers(gathered, [2 * width + 1 for width in widths] * n_steps)
    computing = [span_of(each) for each in events if each.name.startswith(NODE)]
    spans = [span_of(each) for each in of_gradients]
    gradients = sum(each.numel() for each in network.parameters() if each.requires_grad)
    return {
        "messages": len(added + forward) / n_steps,
        "of norms": len(backward + forward) / n_steps,
        "bytes": FLOAT * sum(map(numbers_in, added + forward)) / n_steps,
        "least": FLOAT * (gradients + sum(4 * width + 1 for width in widths)),
        "overlap": sum(within(each, computing) for each in spans)
        / sum(end - start for start, end in spans),
    }


def split_by_numbers(events: list[Any], expected: list[int]) -> tuple[list[Any], list[Any]]:
    """Return the messages of so many numbers each, once for each that is expected, and the rest."""
    left = Counter(expected)
    parts: tuple[list[Any], list[Any]] = ([], [])
    for event in events:
        count = numbers_in(event)
        parts[left[count] <= 0].append(event)
        left[count] -= 1
    return parts


def numbers_in(event: Any) -> int:  # noqa: ANN401
    """Return how many numbers a rank gives to a message."""
    count: int = event.input_shapes[0][0]
    return count


def is_norm(module: nn.Module) -> bool:
    """Tell whether a module is a batch norm whose statistics ranks share."""
    unshared = getattr(module, "unshared", None)
    return unshared is nn.BatchNorm2d or getattr(unshared, "__name__", "") == ACTIVATED


def span_of(event: Any) -> Span:  # noqa: ANN401
    """Return when an event of a profile began and ended."""
    return event.time_range.start, event.time_range.end


def within(span: Span, others: Sequence[Span]) -> float:
    """Return how much of a span others cover, which may cover one another."""
    covered, reached = 0.0, span[0]
    for start, end in sorted(others):
        start, end = max(start, reached), min(end, span[1])
        if end > start:
            covered, reached = covered + end - start, end
    return covered
