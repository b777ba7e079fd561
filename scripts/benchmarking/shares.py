"""Training and embedding against what the machine could do at best."""

from collections.abc import Iterator

from benchmarking.alternating import Ask, Figures, compared, spread
from benchmarking.plan import OURS, Plan, workers
from benchmarking.result import Figure

GIGA, FLOOR_REPEATS = 1e9, 3


def limit(plan: Plan) -> Iterator[Figure]:
    """Yield a training step over its convolutions, and embedding as a share of GEMM's rate."""
    side = plan.sizes.gemm_side
    for device in plan.devices:
        for backbone in plan.sizes.backbones:
            setting = plan.setting(plan.sizes.images, backbone=backbone, device=device)
            systems = {**plan.systems(peers=False), "limit": "benchmarking.limit:Limit"}
            with workers(systems, setting) as running:
                ours, bound = running[OURS], running["limit"]
                flop = bound.ask("flop")
                asks = {
                    "training step": Ask(ours, "train"),
                    "convolutions": Ask(bound, "floor", FLOOR_REPEATS),
                    "embedding": Ask(ours, "embed", plan.sizes.embedded),
                    "matrix product": Ask(bound, "gemm", side, warm=side),
                }
                figures = plan.alternate(asks, plan.sizes.turns, f"limit, {backbone} on {device}")
            yield from _shares(plan, figures, backbone, device, (flop, 2 * side**3))


def _shares(
    plan: Plan, figures: Figures, backbone: str, device: str, flop: tuple[float, float]
) -> Iterator[Figure]:
    """Yield the two shares and the two rates; flop: of embedding an image, of a matrix product."""
    step, floor = figures["training step"], figures["convolutions"]
    yield Figure(
        "limit",
        "a training step over the convolution floor",
        "the library's bare convolutions",
        "x",
        compared(step, floor),
        backbone=backbone,
        device=device,
        ours=1e3 * spread(step).median,
        theirs=1e3 * spread(floor).median,
        rate="ms",
        target=plan.target(1.4, False, backbone, device),
    )
    rate = [flop[1] / GIGA / seconds for seconds in figures["matrix product"]]
    at_best = [flop[0] / GIGA / each for each in rate]
    embedding = figures["embedding"]
    yield Figure(
        "limit",
        "embedding as a share of the GEMM-rate limit",
        "its FLOP at GEMM's rate",
        "%",
        compared(at_best, embedding, scale=100),
        backbone=backbone,
        device=device,
        ours=1 / spread(embedding).median,
        theirs=1 / spread(at_best).median,
        rate="images/s",
    )
    if backbone == "conv4":
        yield Figure("limit", "GEMM rate, float32", "", "GFLOP/s", spread(rate), device=device)
