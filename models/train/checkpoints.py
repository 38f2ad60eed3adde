"""The folder a training leaves its checkpoints in, and the options they were made with."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from .options import AnyOptions, stages_of

OPTIONS_FILE = "options.json"


def open_checkpoints(folder: Path, options: AnyOptions, *, resume: bool) -> None:
    """Makes `folder` ready: emptied for a new training, checked against `options` to go on.

    An option of a stage that has not begun may still change. Raises ValueError for a folder with files
    of others, which would be deleted, and for checkpoints of other options, which would end in a card
    whose command never ran.
    """
    stored = folder / OPTIONS_FILE
    if resume and stored.exists():
        _compare(folder, json.loads(stored.read_text()), options)
    elif folder.exists() and any(folder.iterdir()):
        if not stored.exists():
            raise ValueError(f"{folder} holds files that are no checkpoints; give an empty folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stored.write_text(json.dumps(asdict(options), indent=2) + "\n")


def _compare(folder: Path, stored: dict[str, object], options: AnyOptions) -> None:
    """An option that the stored ones lack is a later one, and its default what was done before it."""
    old, new = asdict(type(options)()) | stored, asdict(options)
    stages = stages_of(options)
    begun = {path.stem for path in folder.glob("*.pt")}
    changed = [
        f"{name} {old[name]}, now {new.get(name)}"
        for name in sorted(old)
        if old[name] != new.get(name) and (name not in stages or stages[name] in begun)
    ]
    if changed:
        raise ValueError(
            f"the checkpoints in {folder} were made with other options ({'; '.join(changed)}); "
            "give the same ones, or train anew without --resume"
        )
