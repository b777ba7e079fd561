"""Faults of files that a run writes and later commands read: checkpoints, settings, episodes."""

import pickle

from bad_input.case import (
    LINE,
    WORKS,
    Case,
    as_it_is,
    edited,
    flipped,
    folder_instead,
    gone,
    on,
    text,
    truncated,
)
from bad_input.fault_cases import held
from bad_input.run_faults import (
    MARK,
    Payload,
    a_word_for_a_seed,
    asking,
    bomb,
    checkpoint_instead,
    doubling,
    elsewhere,
    exchanged_pictures,
    file_instead,
    flipped_embeddings,
    flipped_weights,
    half,
    hostile_array,
    hostile_torch,
    later,
    linked_table,
    moved,
    narrow_side,
    never_learnt,
    no_numbers,
    of_others,
    other_episodes,
    other_network,
    put,
    saving_elsewhere,
    torn_digests,
)


def checkpoints() -> list[Case]:
    """`best.pt` of a trained run, which `test` reads."""
    kind = "checkpoint"
    return [
        Case(kind, "truncated", edited(truncated)),
        Case(kind, "empty", text(b"")),
        Case(kind, "wrong type (text)", text("hello")),
        Case(kind, "missing", gone, LINE, "no checkpoint"),
        Case(kind, "a folder in its place", folder_instead),
        Case(kind, "hostile: a pickle that runs code", text(pickle.dumps(Payload(), protocol=2))),
        Case(kind, "hostile: a torch file that runs code", hostile_torch),
        Case(kind, "hostile: weights of a billion numbers", bomb),
        Case(kind, "a flipped byte", flipped_weights),
        Case(kind, "weights that are no numbers", no_numbers, LINE, "encoder"),
        Case(kind, "class names that are no words", put("class_names", 3), LINE, "class_names"),
        Case(kind, "of images of another size", put("image_size", 99), LINE, "99 pixels"),
        Case(kind, "a training side of another width", narrow_side, LINE, "training images"),
        Case(kind, "weights of another network", other_network),
        Case(kind, "of a later version", later),
    ]


def configs() -> list[Case]:
    """`config.yaml` of a trained run."""
    kind = "config.yaml"
    hostile = f"!!python/object/apply:os.system ['touch {MARK}']\n"
    return [
        Case(kind, "truncated", edited(truncated)),
        Case(kind, "empty", text("")),
        Case(kind, "NUL bytes", edited(lambda raw: raw + b"\x00")),
        Case(kind, "wrong encoding (UTF-16)", edited(lambda raw: raw.decode().encode("utf-16"))),
        Case(kind, "a list in its place", text("- a\n- b\n")),
        Case(kind, "a key that is not known", edited(lambda raw: raw + b"n_wya: 3\n")),
        Case(kind, "a value of the wrong type", edited(a_word_for_a_seed)),
        Case(kind, "a composition that the run never learnt", never_learnt, LINE, "train it with"),
        Case(kind, "missing", gone),
        Case(kind, "a folder in its place", folder_instead),
        Case(kind, "a huge line", edited(lambda raw: raw + b"#" * 2_000_000), LINE, "larger"),
        Case(kind, "hostile: a tag that runs code", text(hostile)),
        Case(kind, "hostile: a variable of the environment, not read", asking, WORKS),
        Case(kind, "hostile: lists that double at every line", text(doubling()), LINE, "repeats"),
        Case(kind, "BOM", edited(lambda raw: b"\xef\xbb\xbf" + raw), WORKS),
        Case(kind, "CRLF", edited(lambda raw: raw.replace(b"\n", b"\r\n")), WORKS),
    ]


def episode_files() -> list[Case]:
    """A file of saved episodes, which `episodes.load=` reads."""
    kind = "saved episodes"
    return [
        Case(kind, "truncated", edited(truncated)),
        Case(kind, "empty", text(b"")),
        Case(kind, "wrong type (text)", text("hello")),
        Case(kind, "missing", gone),
        Case(kind, "a folder in its place", folder_instead),
        Case(kind, "a flipped byte", edited(flipped)),
        Case(kind, "of other images", other_episodes),
        Case(kind, "of other pictures under the same names", exchanged_pictures, LINE, "pictures"),
        Case(kind, "hostile: a pickle in an array", hostile_array),
    ]


def support_stores() -> list[Case]:
    """A support that `predict enrol=` stored."""
    kind = "support store"
    return [
        Case(kind, "truncated", edited(truncated)),
        Case(kind, "empty", text(b"")),
        Case(kind, "missing", gone),
        Case(kind, "hostile: a pickle that runs code", text(pickle.dumps(Payload(), protocol=2))),
        Case(kind, "hostile: a torch file that runs code", hostile_torch),
        Case(kind, "a flipped byte", flipped_embeddings),
        Case(kind, "wrong type (text)", text("hello")),
        Case(kind, "a folder in its place", folder_instead, LINE),
        Case(kind, "a checkpoint in its place", checkpoint_instead),
    ]


def stopped_runs() -> list[Case]:
    """The folder of a run that was stopped, which `train resume=` goes on with."""
    kind = "run to resume"
    return [
        Case(kind, "last.pt truncated", on("last.pt", edited(truncated)), LINE, "last.pt"),
        Case(kind, "last.pt empty", on("last.pt", text(b"")), LINE, "last.pt"),
        Case(kind, "last.pt of another network", on("last.pt", other_network), LINE, "last.pt"),
        Case(kind, "last.pt without progress", on("last.pt", put("progress", None)), LINE, "last"),
        Case(kind, "best.pt missing", on("best.pt", gone), LINE, "best.pt"),
        Case(kind, "config.yaml missing", on("config.yaml", gone), LINE, "config.yaml"),
        Case(kind, "config.yaml truncated", on("config.yaml", edited(truncated)), LINE),
        Case(kind, "data moved", on("config.yaml", edited(elsewhere)), LINE, "paths.data="),
        Case(kind, "data changed", on("data.json", edited(of_others)), LINE, "other pictures"),
        Case(kind, "data.json damaged: not compared", on("data.json", text("{")), WORKS),
        Case(kind, "missing", moved, LINE, "run"),
        Case(kind, "a file in its place", file_instead, LINE, "run"),
        Case(kind, "hostile: last.pt that runs code", on("last.pt", hostile_torch), LINE, "last"),
        Case(kind, "hostile: a table that is a link elsewhere", linked_table, LINE, "is a link"),
        Case(kind, "hostile: episodes.save names a file of yours", saving_elsewhere, WORKS),
        Case(kind, "last.pt missing: begun anew", on("last.pt", gone), WORKS),
        Case(kind, "metrics.csv damaged: written anew", on("metrics.csv", text(b"\x00")), WORKS),
        Case(kind, "half-written files left", on(".last.pt.123", half), WORKS),
        Case(kind, "another process writes there", as_it_is, LINE, "belongs to process", held),
    ]


def caches() -> list[Case]:
    """A pack of decoded images in the cache."""
    kind = "cache"
    return [
        Case(kind, "truncated", edited(lambda raw: raw[:-10]), WORKS),
        Case(kind, "empty", text(b""), WORKS),
        Case(kind, "a flipped byte", edited(flipped), WORKS),
        Case(kind, "hostile: a pickle in its place", text(pickle.dumps(Payload(), 2)), WORKS),
        Case(kind, "of another version", edited(lambda raw: raw[: -4 * 35]), WORKS),
        Case(kind, "deleted", gone, WORKS),
        Case(kind, "its digests of files truncated", torn_digests, WORKS),
    ]
