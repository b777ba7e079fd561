"""Encoders of papers on a GPU: a step by its convolutions, beside peers, with its memory."""

from collections.abc import Iterator
from dataclasses import replace

from benchmarking.alternating import Ask, Figures, alternate, compared, spread
from benchmarking.plan import OURS, Plan, say, workers
from benchmarking.result import Figure, Target
from benchmarking.setting import Setting
from benchmarking.speed import against_peers, classic
from benchmarking.worker import Factory, Worker

LIMIT, LIBFEWSHOT, COMPILED = "convolutions", "LibFewShot's way", "torch.compile"
SUPERVISED = "supervised"
FLOOR_REPEATS = 3
SHARE = 85  # % of a step that its convolutions should take
COMPARED = ("conv4", 84)  # with torch.compile: an encoder whose steps are short


def encoders(plan: Plan) -> Iterator[Figure]:
    """Yield steps on a GPU and the time of the study's 50,000 episodes there; on a CPU, where they
    would take an hour, at tiny size only."""
    for device in plan.devices:
        if device == "cpu" and plan.sizes.judged:
            say("encoders: left out on a CPU, where they take hours")
            continue
        for backbone, side in plan.sizes.encoders:
            setting = plan.setting(plan.sizes.images, backbone=backbone, device=device)
            setting = replace(setting, image_size=side, shape=plan.sizes.encoder_shape)
            for bf16 in (False, True):
                yield from _steps(plan, replace(setting, bf16=bf16))
        if device == "cuda":
            yield from _compiled(plan)
        yield classic(plan, device)


def _steps(plan: Plan, setting: Setting) -> Iterator[Figure]:
    """Yield steps of both kinds by their convolutions, their memory and, in float32 (TF32 on a
    GPU), how many times faster than the peers' they are."""
    systems = plan.systems(peers=not setting.bf16)
    if not setting.bf16:
        systems[LIBFEWSHOT] = "benchmarking.libfewshot_peer:LibFewShotWay"
    what = f"{setting.image_size} pixels, {'bf16' if setting.bf16 else 'float32'}"
    with workers({**systems, LIMIT: "benchmarking.limit:Limit"}, setting) as running:
        asks = {name: Ask(running[name], "train") for name in systems}
        asks[SUPERVISED] = Ask(running[OURS], "learn")
        asks[LIMIT] = Ask(running[LIMIT], "floor", FLOOR_REPEATS)
        where = f"{setting.backbone}, {what}, on {setting.device}"
        figures = _alternate(plan, asks, where)
        memory = running[OURS].ask("gpu_memory" if setting.device == "cuda" else "peak_memory")
    yield from _shares(setting, what, figures)
    case = ("encoders", f"training, {setting.shape}, {what}", setting.backbone, setting.device)
    yield from against_peers(case, {name: figures[name] for name in systems}, None)
    name = f"peak memory of fewshot_fer, both kinds of steps, {what}"
    most = spread([memory])
    yield Figure("encoders", name, "", "MB", most, setting.backbone, setting.device)


def _alternate(plan: Plan, asks: dict[str, Ask], what: str) -> Figures:
    sizes = plan.sizes
    say(f"{what}: {', '.join(asks)}, {sizes.encoder_turns} turns")
    return alternate(asks, sizes.encoder_turns, sizes.encoder_seconds, what)


def _shares(setting: Setting, what: str, figures: Figures) -> Iterator[Figure]:
    """Yield the convolutions' time as a share of a step's."""
    floor = figures[LIMIT]
    kinds = {f"episodes, {setting.shape}": OURS, f"batches of {setting.batch}": SUPERVISED}
    for kind, name in kinds.items():
        yield Figure(
            "encoders",
            f"convolutions' share of a step, {kind}, {what}",
            "the library's bare convolutions",
            "%",
            compared(floor, figures[name], scale=100),
            backbone=setting.backbone,
            device=setting.device,
            ours=1e3 * spread(figures[name]).median,
            theirs=1e3 * spread(floor).median,
            rate="ms",
            target=Target(SHARE, True) if setting.device == "cuda" else None,
        )


def _compiled(plan: Plan) -> Iterator[Figure]:
    """Yield how many times faster captured steps are than an encoder by torch.compile."""
    backbone, side = COMPARED
    plain = plan.setting(plan.sizes.images, backbone=backbone, device="cuda")
    plain = replace(plain, image_size=side)
    factory: Factory = "benchmarking.ours:Ours"
    with Worker(factory, plain) as ours, Worker(factory, replace(plain, compiled=True)) as theirs:
        asks = {OURS: Ask(ours, "train"), COMPILED: Ask(theirs, "train")}
        figures = _alternate(plan, asks, "torch.compile on cuda")
    what = f"training, {plain.shape}, beside an encoder by torch.compile(mode='reduce-overhead')"
    yield from against_peers(("encoders", what, backbone, "cuda"), figures, None)
