"""Whether the fast path and easyfsl give the same logits."""

from collections.abc import Iterator

from benchmarking.alternating import spread
from benchmarking.plan import EASYFSL, Plan, say
from benchmarking.result import Figure
from benchmarking.worker import Worker

WAYS = {"direct": ("one by one", 10), "gram": ("from inner products", 10)}


def equality(plan: Plan) -> Iterator[Figure]:
    """Yield the largest difference of logits for both ways that episodes are scored."""
    if EASYFSL not in plan.systems():
        return
    for backbone in plan.sizes.backbones:
        say(f"equality, {backbone}")
        with Worker(
            "benchmarking.equality_system:Equality",
            plan.setting(plan.sizes.images, backbone=backbone),
        ) as worker:
            for way, (name, count) in WAYS.items():
                difference = worker.ask(way, count)
                yield Figure(
                    "equality",
                    f"largest difference of logits, scored {name}",
                    EASYFSL,
                    "difference",
                    spread([difference]),
                    backbone=backbone,
                    size=count,
                )
