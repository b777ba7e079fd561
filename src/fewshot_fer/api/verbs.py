"""The verbs that need no training: each with the words of the command line, or with settings."""

from pathlib import Path
from typing import TYPE_CHECKING

from fewshot_fer.api.output import CheckOutput, Output, Screen
from fewshot_fer.api.words import new_folder, read_words
from fewshot_fer.config.hydra import Job
from fewshot_fer.config.prepare_settings import PrepareVerb
from fewshot_fer.config.schema import CheckVerb, TrainVerb
from fewshot_fer.config.verb_settings import DemoAppVerb, ExportVerb, PredictVerb, ReportVerb
from fewshot_fer.system.files import write_text
from fewshot_fer.system.locks import own_folder
from fewshot_fer.system.screen import IMPORTING, shown

if TYPE_CHECKING:
    from fewshot_fer.inference.page.server import Page


def check(
    *words: str | TrainVerb, folder: str | Path | None = None, job: Job | None = None
) -> CheckOutput:
    """Look for faults of the data of a training that would make its results wrong.

    words: those of the training, or its settings object; "data=folder" alone finds out which data
    sets lie there. folder: where check.json is written, by default a new one in outputs/check/;
    job: of the command line alone. Raises UserError.

    >>> check("dataset=rafdb_basic", "paths.data=/data").to_frame()  # doctest: +SKIP
    """
    settings, job = read_words("check", TrainVerb, words, job)
    path = new_folder(folder, settings.paths.outputs, "check")
    screen, invalid = Screen(job), False
    with own_folder(path):
        if isinstance(settings, CheckVerb) and settings.data is not None:
            from fewshot_fer.reports.audit.recognised_text import recognise_session

            recognise_session(settings.data, path, job.words, screen)
        else:
            # Import torch late: wrong settings then fail in milliseconds.
            with shown(IMPORTING):
                from fewshot_fer.reports.audit.audit import check_session

            invalid = check_session(settings, path, screen)
    return CheckOutput(path, screen.text, invalid)


def predict(
    *words: str | PredictVerb, folder: str | Path | None = None, job: Job | None = None
) -> Output:
    """Name the expressions in photographs and videos, a row a face in the table `predictions`.

    words: as typed, "images=holiday", "support=my_faces", or one settings object; folder: where the
    tables are written, by default a new one in outputs/predict/; job: of the command line alone.
    A second table, `clips`, has a row a video. Raises UserError.

    >>> predict("images=holiday", "align=false").table("predictions")  # doctest: +SKIP
    """
    settings, job = read_words("predict", PredictVerb, words, job)
    from fewshot_fer.inference.inputs import find_inputs

    inputs, screen = find_inputs(settings.images), Screen(job)
    path = new_folder(folder, settings.outputs, "predict")
    with own_folder(path):
        # Import torch late: wrong settings and names of files then fail in milliseconds.
        with shown(IMPORTING):
            from fewshot_fer.inference.predict_inputs import predict_inputs

        predict_inputs(settings, inputs, path, screen)
    return Output(path, screen.text)


def report(
    *words: str | ReportVerb, folder: str | Path | None = None, job: Job | None = None
) -> Output:
    """Make a page on any runs, the study's table, or a comparison of runs.

    words: "runs=outputs", "study=outputs/study" or "compare=runA,runB", or one settings object;
    folder: by default a new one in outputs/report/; job: of the command line alone. Its table is
    report, study or compare. Raises UserError.

    >>> report("compare=outputs/train/a,outputs/train/b").table("compare")  # doctest: +SKIP
    """
    settings, job = read_words("report", ReportVerb, words, job)
    path, screen = new_folder(folder, settings.outputs, "report"), Screen(job)
    with own_folder(path):
        files, text = _files_and_screen(settings)
        for name, content in files.items():
            write_text(path / name, content)
    screen(f"{text}\n\nwritten to {path}")
    return Output(path, screen.text)


def prepare(*words: str | PrepareVerb, job: Job | None = None) -> Path:
    """Cut aligned faces out of clips or photographs; return the folder `out=` that holds them.

    words: as typed, "videos=/clips", "out=/faces", or one settings object; job: of the command
    line alone. What is there already is kept. Raises UserError.

    >>> read_folder(prepare("images=photographs", "out=faces"))  # doctest: +SKIP
    """
    settings, _ = read_words("prepare", PrepareVerb, words, job)
    out = Path(settings.out).expanduser()
    from fewshot_fer.data.faces.shards import own_share

    with own_share(out, settings.shards, settings.shard):
        # Import torch late: wrong settings then fail in milliseconds.
        with shown(IMPORTING):
            from fewshot_fer.data.faces.prepare import prepare_session

        prepare_session(settings)
    return out


def export(*words: str | ExportVerb, job: Job | None = None) -> Path:
    """Write a trained run as one ONNX file, images in and probabilities out; return the file.

    words: as typed, "run=outputs/train/...", "out=faces.onnx", or one settings object; job: of the
    command line alone. Raises UserError.

    >>> export("run=outputs/train/...", "out=faces.onnx")  # doctest: +SKIP
    """
    settings, job = read_words("export", ExportVerb, words, job)
    # Import torch late: wrong settings then fail in milliseconds.
    with shown(IMPORTING):
        from fewshot_fer.inference.onnx import export_session

    return export_session(settings, job.show)


def demo_app(*words: str | DemoAppVerb, job: Job | None = None) -> "Page":
    """Serve a page to try a trained run in a browser, until its close(); wait() is for scripts.

    words: as typed, "run=outputs/train/...", "port=7861", or one settings object; job: of the
    command line alone. Raises UserError before anything listens.

    >>> page = demo_app("port=7861")  # doctest: +SKIP
    >>> page.close()  # doctest: +SKIP
    """
    settings, _ = read_words("demo_app", DemoAppVerb, words, job)
    # Import torch late: wrong settings then fail in milliseconds.
    with shown(IMPORTING):
        from fewshot_fer.inference.page.server import Page

    return Page(settings, by_signals=job is not None)


def _files_and_screen(settings: ReportVerb) -> tuple[dict[str, str], str]:
    """Return the files of the report that is wanted, name to content, and the text for screen."""
    # Import pandas late: wrong settings then fail in milliseconds.
    if settings.study:
        from fewshot_fer.reports.study import study_report

        return study_report(Path(settings.study).expanduser())
    if settings.runs:
        from fewshot_fer.reports.html.report import runs_report

        roots = [Path(root).expanduser() for root in settings.runs]
        return runs_report(roots, settings.embeddings, settings.pictures)
    from fewshot_fer.reports.compare import compare_report

    return compare_report([Path(run).expanduser() for run in settings.compare], settings.seed)
