"""Training and evaluation against the peers."""

from collections.abc import Iterator

from benchmarking.alternating import Ask, Figures, compared, spread
from benchmarking.plan import EASYFSL, OURS, Plan, workers
from benchmarking.result import Figure, Target
from benchmarking.setting import EVALUATION, TRAINING

CLASSIC_EPISODES = 50_000
RATE = "episodes/s"


def training(plan: Plan) -> Iterator[Figure]:
    """Yield how many times faster than each peer an episode is learnt from."""
    for device in plan.devices:
        for backbone in plan.sizes.backbones:
            setting = plan.setting(plan.sizes.images, backbone=backbone, device=device)
            with workers(plan.systems(), setting) as running:
                asks = {name: Ask(worker, "train") for name, worker in running.items()}
                what = f"training {backbone} on {device}"
                figures = plan.alternate(asks, plan.sizes.turns, what, device)
            target = plan.target(1.6, True, backbone, device)
            yield from against_peers(
                ("training", f"training, {TRAINING}", backbone, device), figures, target
            )


def evaluation(plan: Plan) -> Iterator[Figure]:
    """Yield the same for evaluating few and many episodes, embedding included.

    A peer embeds every episode anew, so its time an episode is the same however many there are: it
    is measured on as many as fill a turn.
    """
    sizes = plan.sizes
    cases = (
        (sizes.few_episodes, sizes.evaluation_turns, 3.0),
        (sizes.many_episodes, sizes.long_turns, 100.0),
    )
    for device in plan.devices:
        for backbone in plan.sizes.backbones:
            setting = plan.setting(sizes.images, backbone=backbone, device=device)
            with workers(plan.systems(), setting) as running:
                for count, turns, least in cases:
                    asks = {name: Ask(worker, "evaluate") for name, worker in running.items()}
                    asks[OURS] = Ask(running[OURS], "evaluate", count)
                    what = f"evaluating {count:,} episodes with {backbone} on {device}"
                    figures = plan.alternate(asks, turns, what, device)
                    case = f"evaluating {count:,} episodes of {sizes.images:,} images, {EVALUATION}"
                    yield from against_peers(
                        ("evaluation", case, backbone, device),
                        figures,
                        plan.target(least, True, backbone, device),
                        count,
                    )


def against_peers(
    case: tuple[str, str, str, str],
    figures: Figures,
    target: Target | None,
    size: int | None = None,
) -> Iterator[Figure]:
    """Yield the ratio to each peer; case: section, what, backbone, device."""
    section, what, backbone, device = case
    for peer, seconds in figures.items():
        if peer == OURS:
            continue
        yield Figure(
            section,
            what,
            peer,
            "x",
            compared(seconds, figures[OURS]),
            backbone=backbone,
            device=device,
            ours=1 / spread(figures[OURS]).median,
            theirs=1 / spread(seconds).median,
            rate=RATE,
            target=target if peer == EASYFSL else None,
            size=size,
        )


def classic(plan: Plan, device: str) -> Figure:
    """Return the time of the study's 50,000 episodes, from some of its epochs on a GPU."""
    setting = plan.setting(plan.sizes.training_images, device=device, augment=False)
    epochs, count = plan.sizes.classic_epochs, plan.sizes.classic_epoch
    with workers(plan.systems(peers=False), setting) as running:
        ask = Ask(running[OURS], "train", count, warm=count)
        figures = plan.alternate({OURS: ask}, epochs, f"classic episodes on {device}")
    return Figure(
        "encoders",
        f"{CLASSIC_EPISODES:,} classic episodes, from {epochs} epochs of {count} run",
        "",
        "s",
        spread([CLASSIC_EPISODES * seconds for seconds in figures[OURS]]),
        backbone="conv4",
        device=device,
        ours=1 / spread(figures[OURS]).median,
        rate=RATE,
        target=Target(30, False) if device == "cuda" else None,
    )
