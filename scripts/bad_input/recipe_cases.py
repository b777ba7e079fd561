"""Recipes that do not go with an encoder or a schedule, and teachers that cannot teach."""

from bad_input.case import (
    LINE,
    WORKS,
    Case,
    as_it_is,
    edited,
    folder_instead,
    gone,
    on,
    text,
    truncated,
)
from bad_input.commands import RAFDB
from bad_input.run_faults import hostile_torch

TEACHER = (*RAFDB, "train=pretrain", "train.epochs=1")
STUDENT = (*TEACHER, "train.teacher=run", "train.distil=0.5")
FACES = ("backbone=face_expression", "backbone.accept_size=true")


def typed_recipes() -> list[Case]:
    """Settings of `train` that contradict each other, or that the encoder has no place for."""
    kind = "a recipe that is typed"
    typed = {
        "stages of random weights kept": (("train.frozen_stages=1",), "backbone.weights=none"),
        "more stages kept than there are": ((*FACES, "train.frozen_stages=4"), "has 4 stages"),
        "a teacher without a share": (("train.teacher=run",), "train.distil=0.5"),
        "a share without a teacher": (("train.distil=0.5",), "train.teacher="),
        "a teacher that is not there": (
            ("train=pretrain", "train.teacher=gone", "train.distil=0.5"),
            "gone",
        ),
        "averaged in two ways": (("train.average=0.9", "train.average_last=0.5"), "one way only"),
        "blocks dropped where none are": (("backbone.drop_block=0.1",), "is of resnet12"),
        "a rate that is no number": (("train.layer_decay=nan",), "train.layer_decay"),
    }
    return [
        Case(kind, fault, as_it_is, LINE, says, words=(*RAFDB, *words))
        for fault, (words, says) in typed.items()
    ]


def teachers() -> list[Case]:
    """A run that `train.teacher=` names."""
    kind = "a teacher"
    return [
        Case(kind, "as it is", as_it_is, WORKS),
        Case(kind, "trained on other classes", as_it_is, LINE, "other classes", words=_OTHERS),
        Case(kind, "stopped before its end", on("summary.json", gone), LINE, "a finished run"),
        Case(kind, "with a torn summary", on("summary.json", edited(truncated)), LINE, "finished"),
        Case(kind, "with a summary of nothing", on("summary.json", text("[]")), LINE, "finished"),
        Case(kind, "weights missing", on("best.pt", gone), LINE, "no checkpoint"),
        Case(kind, "weights truncated", on("best.pt", edited(truncated)), LINE, "best.pt"),
        Case(kind, "a folder in the place of its weights", on("best.pt", folder_instead)),
        Case(kind, "hostile: weights that run code", on("best.pt", hostile_torch)),
    ]


_OTHERS = (*STUDENT, "dataset.classes=[anger,fear,sadness]", "eval.dataset.classes=[anger,fear]")
