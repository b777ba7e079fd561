"""The library: `import fewshot_fer as ff` gives what the command line gives, and parts of it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY, Command
from PIL import Image
from torch.utils.data import DataLoader

import fewshot_fer as ff
from fewshot_fer.data.decode import read_picture

WORDS = (*TINY, "train.epochs=1", "seed=3")


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> ff.Run:
    folder = tmp_path_factory.mktemp("api") / "run"
    return ff.train(*WORDS, f"paths.data={data}", folder=folder)


@pytest.fixture(scope="module")
def faces(data: Path) -> pd.DataFrame:
    return ff.read_dataset("afew", data, split="val")


def test_import_costs_nothing() -> None:
    """Neither torch nor pandas comes with the name; everything public is listed."""
    code = """
import sys
import fewshot_fer as ff
assert set(ff.__all__) <= set(dir(ff)), dir(ff)
sys.exit(bool({"torch", "pandas", "hydra", "numpy"} & set(sys.modules)))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(getattr(ff, name) is not None for name in ff.__all__)
    with pytest.raises(AttributeError, match="has no nothing; it has "):
        ff.nothing  # noqa: B018


def test_train_is_the_command(trained: ff.Run, data: Path, command: Command) -> None:
    """The same words give the same figures, to the last digit."""
    outcome = command("train", *WORDS, f"paths.data={data}")
    assert outcome.code == 0, outcome.err
    theirs = ff.results("outputs")
    same = ["role", "protocol", "accuracy", "loss", "episodes_id", "images_id"]
    pd.testing.assert_frame_equal(theirs[same], trained.results[same])
    assert {*theirs["run"]} == {str(next(Path("outputs/train").iterdir()))}
    assert (trained.metrics["train_accuracy"].notna()).all()


def test_pictures_of_any_form_are_embedded_alike(trained: ff.Run, faces: pd.DataFrame) -> None:
    """As files, PIL images, arrays with colours first or last, tensors, or a table."""
    some = faces.head(3)
    expected = trained.embed(some)
    pixels = [read_picture(path) for path in some["path"]]
    forms = [
        some["path"].tolist(),
        [Path(path) for path in some["path"]],
        [Image.open(path) for path in some["path"]],
        pixels,
        np.stack(pixels),
        torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2),
    ]
    assert expected.shape[0] == 3
    for form in forms:
        torch.testing.assert_close(trained.embed(form), expected)
    torch.testing.assert_close(trained.embed(pixels[0])[0], expected[0])


def test_evaluate_is_the_nearest_mean(trained: ff.Run, faces: pd.DataFrame) -> None:
    """Recomputed from the embeddings, episode by episode."""
    episodes = ff.draw_episodes(faces, n_way=4, k_shot=2, n_query=3, n_episodes=20, seed=1)
    scores = trained.evaluate(faces, episodes)
    embedded = trained.embed(faces).double().numpy()
    expected = []
    for support, query in zip(episodes.support, episodes.query, strict=True):
        means = embedded[support].mean(axis=1)
        distances = ((embedded[query][:, :, None] - means) ** 2).sum(axis=-1)
        expected.append((distances.argmin(axis=-1) == np.arange(4)[:, None]).mean())
    np.testing.assert_allclose(scores.per_episode, expected)
    assert scores.accuracy == pytest.approx(np.mean(expected))
    assert scores.confusion.to_numpy().sum() == episodes.query.size
    low, high = scores.interval()
    assert low <= scores.accuracy <= high
    assert scores.to_frame()["n_way"].tolist() == [4]
    assert f"{100 * scores.accuracy:.1f} %" in scores._repr_html_()


def test_other_methods_are_scored_on_the_same_episodes(
    trained: ff.Run, faces: pd.DataFrame
) -> None:
    """And named in the result; an unknown one is refused with those there are."""
    episodes = ff.draw_episodes(faces, 3, 2, 1, n_episodes=5)
    ids = set()
    for name in ("simpleshot", "composed"):
        scores = trained.evaluate(faces, episodes, method=name)
        assert scores.to_frame()["method"].tolist() == [name]
        ids |= {*scores.to_frame()["episodes_id"]}
    assert len(ids) == 1
    with pytest.raises(ff.UserError, match="protonet"):
        trained.evaluate(faces, episodes, method="nothing")
    with pytest.raises(ff.UserError, match="larger table"):
        trained.evaluate(faces.head(4), episodes)


def test_predict_is_the_command(
    trained: ff.Run, faces: pd.DataFrame, data: Path, command: Command
) -> None:
    """With a folder of faces as its support, the same labels and probabilities."""
    support = data / "AFEW/Val_AFEW"
    pictures = faces["path"].tolist()[:4]
    words = (f"run={trained.folder}", f"support={support}", "align=false")
    assert command("predict", *words, f"images={','.join(pictures)}").code == 0
    theirs = pd.read_csv(next(Path("outputs").rglob("predictions.csv")))
    ours = trained.predict(pictures, support=support)
    assert list(ours.columns) == list(theirs.columns)
    assert ours["label"].tolist() == theirs["label"].tolist()
    np.testing.assert_allclose(ours["probability"], theirs["probability"], atol=1e-5)
    by_table = trained.predict([Image.open(path) for path in pictures], support=faces)
    np.testing.assert_allclose(by_table["probability"], ours["probability"], atol=1e-5)
    assert by_table["file"].tolist() == [f"image_{place}" for place in range(4)]


def test_episodes_for_a_loop_of_ones_own(faces: pd.DataFrame) -> None:
    """Batches of one episode: classes and counts as asked, groups apart, other ones each pass."""
    sampler = ff.EpisodeSampler(faces, (3, 2, 4), n_episodes=5, seed=2)
    dataset = ff.FaceDataset(faces, image_size=32)
    loader = DataLoader(dataset, batch_sampler=sampler)
    passes = []
    for images, labels in loader:
        assert tuple(images.shape) == (3 * 6, 3, 32, 32)
        support, query = labels[:6].view(3, 2), labels[6:].view(3, 4)
        assert (support == support[:, :1]).all()
        assert (query == support[:, :1]).all()
    for _ in range(2):
        rows = np.array(list(sampler))
        passes.append(rows)
        groups = faces["group"].to_numpy()[rows]
        for of_episode in groups:
            assert not {*of_episode[:6]} & {*of_episode[6:]}
    assert len(sampler) == len(passes[0]) == 5
    assert (passes[0] != passes[1]).any()


def test_parts_stand_alone() -> None:
    """Methods are functions on tensors, encoders modules that take pixels."""
    support, query = torch.randn(2, 3, 4, 8), torch.randn(2, 6, 8)
    for name in ff.methods():
        assert ff.method(name)(support, query).shape == (2, 6, 3)
    assert ff.method("frn", maps=(2, 2, 2))(support, query).shape == (2, 6, 3)
    pixels = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    encoder = ff.encoder("conv4", image_size=32).eval()
    torch.testing.assert_close(encoder(pixels), encoder(pixels.float()))
    mean, low, high = ff.mean_interval(np.array([0.5, 0.7]))
    assert low < mean < high


def test_figures_are_returned(trained: ff.Run, faces: pd.DataFrame, tmp_path: Path) -> None:
    """And can be saved or shown by whoever asks for them."""
    by_shot = {
        shot: trained.evaluate(faces, ff.draw_episodes(faces, 3, shot, 1, 10)) for shot in (1, 2)
    }
    figures = [
        trained.plot_curves(),
        by_shot[1].plot_confusion(),
        ff.plot_shots({"protonet": by_shot}),
    ]
    for place, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{place}.png")
        assert Image.open(tmp_path / f"{place}.png").width > 300


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda: ff.train("traim.epochs=2"), "traim"),
        (lambda: ff.train("-m", "seed=1,2"), "sweep"),
        (lambda: ff.load_run("/nowhere"), "/nowhere"),
        (lambda: ff.read_folder("/nowhere"), "/nowhere"),
        (lambda: ff.read_dataset("nothing"), "dataset=nothing"),
        (lambda: ff.results("/nowhere"), "no results.csv"),
        (lambda: ff.starter().embed(np.zeros((3, 3))), "float64"),
        (lambda: ff.starter().embed(np.zeros((2, 5, 5, 4), np.uint8)), r"\[2, 5, 5, 4\]"),
        (lambda: ff.starter().embed([]), "no picture"),
        (lambda: ff.method("nothing"), "nothing"),
        (lambda: ff.method("dn4"), r"maps=\(channels, height, width\)"),
        (lambda: ff.method("finetune"), "takes more than embeddings"),
    ],
)
def test_mistakes_are_errors_of_one_family(mistake: object, said: str) -> None:
    """Nothing exits, and each says what was wrong."""
    assert callable(mistake)
    with pytest.raises(ff.UserError, match=said):
        mistake()


@pytest.mark.slow
def test_types_hold_in_a_users_file(tmp_path: Path) -> None:
    """Under mypy strict."""
    file = tmp_path / "mine.py"
    file.write_text(
        """
import pandas as pd
from torch import Tensor
import fewshot_fer as ff

run: ff.Run = ff.load_run("outputs/train/some")
faces: pd.DataFrame = ff.read_folder("faces")
z: Tensor = run.embed(faces)
episodes: ff.Episodes = ff.draw_episodes(faces, n_way=5, k_shot=5, n_query=5, n_episodes=600)
low, high = run.evaluate(faces, episodes, method="protonet").interval()
width: float = high - low
named: pd.DataFrame = run.predict(["a.jpg"], support=faces)
again: ff.Run = ff.train("experiment=demo", "train.epochs=2")
settings = ff.settings("train", "experiment=demo")
settings.train.epochs = 2
ff.train(settings, folder="mine")
tested: pd.DataFrame = ff.test("run=outputs/train/some", "test=afew_4w5s")
table: pd.DataFrame = ff.predict("images=holiday").table("predictions")
invalid: bool = ff.check(settings).is_invalid
shown: str = ff.report("runs=outputs").text
size: int = ff.export("run=outputs/train/some").stat().st_size
more: pd.DataFrame = ff.read_folder(ff.prepare("images=photographs", "out=faces"))
with ff.demo_app("port=7861") as page:
    address: str = page.address
wrong: int = run.embed(faces)
"""
    )
    done = subprocess.run(  # with the cache of the checkout, which has pandas and torch already
        [sys.executable, "-m", "mypy", "--strict", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in done.stdout.splitlines() if "error" in line and "mine.py" in line]
    assert len(errors) == 1, done.stdout
    assert "wrong" not in errors[0]
    assert "Incompatible types in assignment" in errors[0]
