"""The command that is typed for each kind of input."""

from bad_input.good_files import TINY

Words = tuple[str, ...]
IN_PLACE = ("paths.data=.", *TINY)
RAFDB: Words = ("train", "dataset=rafdb_basic", "eval=basic_7w1s", *IN_PLACE)
COMPOUND: Words = ("train", "dataset=rafdb_compound", "eval=compound_4w5s", *IN_PLACE)
AFEW: Words = ("train", "dataset=afew", "eval=afew_4w5s", *IN_PLACE)
CLIPS: Words = (*AFEW, "train.unit=clip", "eval.unit=clip")
NAMED = "dataset.clips={anger:['000100000','000100009'],fear:['000299999']}"
MIXED: Words = ("train", "dataset=mixed", NAMED, "eval=basic_7w1s", *IN_PLACE)
CARD: Words = (*RAFDB, "backbone=file", "backbone.weights=faces.safetensors")


def own_faces(root: str) -> Words:
    """Return the command for faces of one's own in a folder."""
    return (
        *("train", "dataset=folder", f"dataset.root={root}"),
        *("eval=folder_5w5s", f"eval.dataset.root={root}", *TINY),
    )


OWN = own_faces("faces")
CSV: Words = (
    *("train", "dataset=csv", "dataset.file=list.csv"),
    *("eval=csv_5w5s", "eval.dataset.file=list.csv", *TINY),
)
CSV_CLIPS: Words = (*CSV, "eval.unit=clip")
OWN_SUPPORT: Words = (
    *("train", "dataset=folder", "dataset.root=faces", "eval=csv_5w5s"),
    *("eval.dataset.file=list.csv", *TINY, "eval.n_way=0", "eval.kind=fixed"),
    *("eval.support_split=all", "eval.support_draws=1"),
)
TEST: Words = (
    *("test", "run=run", "test=basic_7w1s", "paths.data=.", "test.episodes=3", "test.n_way=2"),
    *("test.k_shot=1", "test.n_query=1", "device=cpu", "keep_embeddings=false"),
)
LONG: Words = (
    *RAFDB,
    *("train=fast", "train.epochs=3", "train.episodes_per_epoch=4", "train.patience=0"),
)
KILLED: Words = (*LONG, "hydra.run.dir=run")
PREDICT: Words = ("predict", "run=run", "align=false", "device=cpu")
SUBJECTS: Words = (
    *("test", "run=run", "test=csv_5w5s", "test.dataset.file=subjects.csv", "neutral=subject"),
    *("test.episodes=3", "test.n_way=2", "test.k_shot=1", "device=cpu", "keep_embeddings=false"),
)


def layout_words(name: str) -> Words:
    """Return the command that trains on a data set and tests on it."""
    return ("train", f"dataset={name}", f"eval={name}_5w1s", *IN_PLACE)
