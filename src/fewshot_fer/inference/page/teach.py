"""Teach the page: add pictures to a visitor's classes, rename them, load them, take a neutral face.

Each function returns a message for the visitor; a mistake leaves everything as it was.
"""

from pathlib import Path

from fewshot_fer.inference.classifier import NONE, FaceClassifier
from fewshot_fer.inference.enrol import Enrolment, enrol, read_support
from fewshot_fer.inference.page.classify import PictureClassifier
from fewshot_fer.inference.page.visitor import Visitor, clean_name
from fewshot_fer.inference.taught import LEAST_PICTURES
from fewshot_fer.system.errors import ConfigError, DataError, NoFaceError, RunError, UserError

NAMELESS = "Give the class a name."
RESERVED = f"Give the class another name: {NONE} is said of faces of no class."
NO_FACE = "No face is in view: start the camera."
FULL = "No more room: remove some pictures."


def take_picture(classifier: PictureClassifier, name: str, visitor: Visitor) -> str:
    """Add the face in view to a class."""
    name, live = _spelt(classifier, name, visitor), visitor.live
    if fault := _fault(name):
        return fault
    if live is None:
        return NO_FACE
    if live.number != visitor.taken:  # else it is in already: the button is held, or pressed fast
        (embedding,) = classifier.known.as_taught(live.embedding[None]).cpu()
        if not visitor.add(name, live.crop, embedding):
            return FULL
        visitor.taken = live.number
    count = visitor.count(name)
    if count == 1 and classifier.run.is_starter:
        return f"{name}: 1 picture. It counts from {LEAST_PICTURES} on; five are better."
    return f"{name}: {count} picture{'s' if count != 1 else ''}."


def add_pictures(
    classifier: PictureClassifier, name: str, files: list[Path], visitor: Visitor
) -> str:
    """Add the largest face of each file to a class."""
    name = _spelt(classifier, name, visitor)
    if fault := _fault(name):
        return fault
    if not files:
        return "Choose some pictures of it first; five will do."
    try:
        new = enrol({name: files}, classifier.known.taught_run, classifier.cropper)
    except NoFaceError:
        return "Nothing added: no face found in the pictures."
    except DataError:
        return "Nothing added: a picture cannot be read."
    except UserError as error:
        return f"Nothing added: {error}."
    count = visitor.load(new)
    if not count:
        return FULL
    known = {*classifier.start.support.class_names, *visitor.class_names}
    return f"{name}: {count} picture{'s' if count > 1 else ''} added. {len(known)} classes now."


def rename(classifier: PictureClassifier, name: str, new: str, visitor: Visitor) -> str:
    """Rename a taught class; it joins the one that has the name already."""
    if clean_name(new) == name:
        return ""
    spelt = _spelt(classifier, new, visitor)
    spelt = clean_name(new) if spelt == name else spelt  # other capitals alone
    if fault := _fault(spelt):
        return fault
    visitor.rename(name, spelt)
    return f"{name} is called {spelt} now."


def load(classifier: PictureClassifier, file: Path, visitor: Visitor) -> str:
    """Add the classes of a stored support.

    The pictures that it names are not opened: they would be files of this page's machine.
    """
    try:
        support = read_support(file, classifier.known.taught_run)
    except RunError:
        return "Nothing loaded: it is no support file, or one of another network."
    if fault := next(filter(None, (_fault(clean_name(each)) for each in support.class_names)), ""):
        return fault
    count = visitor.load(Enrolment(support, {}))
    return (
        f"{count} picture{'s' if count != 1 else ''} of {len(support.class_names)} classes loaded."
    )


def take_neutral(classifier: PictureClassifier, visitor: Visitor) -> str:
    """Make the face in view the visitor's neutral one."""
    if visitor.live is None:
        return NO_FACE
    try:
        FaceClassifier(
            classifier.run, classifier.start.support, neutral=visitor.live.embedding[None]
        )
    except ConfigError:
        return "The run has no class neutral that your face could be compared with."
    visitor.set_neutral(visitor.live.embedding)
    if classifier.decider(visitor).only_mine:
        return "Taken. It counts for the classes that you did not teach."
    return "What is shown is relative to this face now."


def _fault(name: str) -> str:
    """Return what is wrong with the name of a class, "" if nothing is."""
    if not name:
        return NAMELESS
    return RESERVED if name == NONE else ""


def _spelt(classifier: PictureClassifier, name: str, visitor: Visitor) -> str:
    """Return the name of a class as one is spelt that is there already, but for capitals."""
    name = clean_name(name)
    there = (*classifier.start.support.class_names, *visitor.class_names)
    return {each.casefold(): each for each in there}.get(name.casefold(), name)
