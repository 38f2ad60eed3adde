"""A bundle's files: what the manifest says of one, and the move of all into place."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

Entry = dict[str, Any]  # an object of the manifest


def file_entry(path: Path) -> Entry:
    """Name, digest and size of a file."""
    content = path.read_bytes()
    return {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }


def move_into_place(building: Path, folder: Path) -> None:
    """File by file, the manifest last: whoever reads it then finds the files it names."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(building.iterdir(), key=lambda path: path.name == "manifest.json")
    for path in files:
        path.replace(folder / path.name)
    building.rmdir()
