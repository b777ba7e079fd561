"""The job of `check` from start to end: settings in, a table on screen and check.json out."""

import json
from dataclasses import asdict
from pathlib import Path

from fewshot_fer.audit.report import audit
from fewshot_fer.audit.screen import audit_text
from fewshot_fer.config import TrainVerb
from fewshot_fer.data.load import find_source
from fewshot_fer.runs import RunFolder, write_text


def check_session(settings: TrainVerb, path: Path) -> bool:
    """Print what was found and write it to check.json; tell whether it would spoil a result."""
    found = audit(settings, find_source(settings.paths, settings.demo))
    folder = RunFolder(path)
    content = found.as_json() | {"config": asdict(settings)}
    text = json.dumps(content, indent=2, ensure_ascii=False)
    write_text(folder.folder / "check.json", text + "\n")
    print(audit_text(found))
    print(f"all paths are in {folder.folder / 'check.json'}")
    return found.spoilt
