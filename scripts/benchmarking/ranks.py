"""What two processes that train one network send in a step, and whether they wait for it."""

import json
from collections.abc import Iterator

from benchmarking.alternating import Spread
from benchmarking.plan import Plan, say
from benchmarking.result import Figure
from benchmarking.worker import MEGABYTE, Worker


def ranks(plan: Plan) -> Iterator[Figure]:
    """Yield the bytes and messages of a step of two CPU ranks, and how much of the sending of
    gradients lies within the backward."""
    for backbone in plan.sizes.ranked:
        say(f"two ranks train {backbone}")
        setting = plan.setting(plan.sizes.ranked_images, backbone=backbone)
        with Worker("benchmarking.ranks_system:TwoRanks", setting) as worker:
            worker.ask("watch")
        found = json.loads((setting.cache / "ranks.json").read_text(encoding="utf-8"))
        for kind, values in found.items():
            yield from _figures(backbone, f"two ranks, {kind}", values)


def _figures(backbone: str, what: str, found: dict[str, float]) -> Iterator[Figure]:
    sent, least = (found[name] / MEGABYTE for name in ("bytes", "least"))
    yield Figure(
        "ranks",
        f"{what}: sent in a step, by gradients and statistics once",
        "",
        "x",
        _one(sent / least),
        backbone=backbone,
        ours=sent,
        theirs=least,
        rate="MB",
    )
    yield Figure(
        "ranks",
        f"{what}: messages in a step, and those of batch norms",
        "",
        "",
        _one(found["messages"]),
        backbone=backbone,
        ours=found["messages"],
        theirs=found["of norms"],
    )
    share = _one(100 * found["overlap"])
    name = f"{what}: sending of gradients within the backward"
    yield Figure("ranks", name, "", "%", share, backbone=backbone)


def _one(value: float) -> Spread:
    return Spread(value, value, value, 1)
