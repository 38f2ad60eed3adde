"""Tests of a training stage and of the folder it leaves its checkpoints in."""

from __future__ import annotations

import json
import tempfile
import unittest
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn

from .checkpoints import OPTIONS_FILE, open_checkpoints
from .options import GraftOptions, Options
from .stage import Log, Stage, run_stage


class StageTest(unittest.TestCase):
    def test_a_resumed_stage_ends_where_an_unbroken_one_does(self) -> None:
        data, aim = torch.randn(64, 3), torch.randn(64, 1)

        def step(model: nn.Module, rows: torch.Tensor, _: object) -> tuple[torch.Tensor, dict]:
            return (model(data[rows]) - aim[rows]).square().mean(), {}

        def train(folder: Path, stops: tuple[int, ...]) -> torch.Tensor:
            for reached in stops:
                torch.manual_seed(1)
                stage = Stage("s", 4, 64, 16, 0.1, 0.9, 1)
                model = nn.Linear(3, 1)
                with suppress(_Stopped), patch("builtins.print"):
                    run_stage(stage, model, _stop_at(step, reached), lambda _: {}, folder, log)
            return torch.load(folder / "s.pt", weights_only=True)["average"]["weight"]

        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            log = Log(Path(one) / "log.jsonl")
            self.assertTrue(torch.equal(train(Path(one), (9,)), train(Path(two), (2, 9))))


class CheckpointsTest(unittest.TestCase):
    def test_go_on_with_the_same_options_only(self) -> None:
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / "new"
            open_checkpoints(folder, Options(), resume=False)
            (folder / "joint.pt").write_text("x")
            open_checkpoints(folder, Options(), resume=True)
            self.assertTrue((folder / "joint.pt").exists())
            with self.assertRaisesRegex(ValueError, "seed 1, now 2"):
                open_checkpoints(folder, Options(seed=2), resume=True)
            open_checkpoints(folder, Options(seed=2), resume=False)
            self.assertFalse((folder / "joint.pt").exists())

    def test_an_option_added_since_counts_as_its_default(self) -> None:
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent)
            open_checkpoints(folder, GraftOptions(), resume=False)
            stored = json.loads((folder / OPTIONS_FILE).read_text())
            del stored["smoothing"]
            (folder / OPTIONS_FILE).write_text(json.dumps(stored))
            with self.assertRaisesRegex(ValueError, "smoothing 0.1, now 0.3"):
                open_checkpoints(folder, GraftOptions(smoothing=0.3), resume=True)
            open_checkpoints(folder, GraftOptions(), resume=True)
            self.assertEqual(json.loads((folder / OPTIONS_FILE).read_text())["smoothing"], 0.1)

    def test_an_option_of_a_stage_may_change_until_that_begins(self) -> None:
        with tempfile.TemporaryDirectory() as parent:
            folder, options = Path(parent), GraftOptions()
            open_checkpoints(folder, options, resume=False)
            (folder / "baseline.pt").write_text("x")
            options = replace(options, epochs=5)
            open_checkpoints(folder, options, resume=True)
            (folder / "graft.pt").write_text("x")
            open_checkpoints(folder, options, resume=True)
            with self.assertRaisesRegex(ValueError, "epochs 5, now 6"):
                open_checkpoints(folder, replace(options, epochs=6), resume=True)

    def test_options_of_another_training_are_refused(self) -> None:
        with tempfile.TemporaryDirectory() as parent:
            open_checkpoints(Path(parent), Options(), resume=False)
            with self.assertRaisesRegex(ValueError, "copies 12, now None"):
                open_checkpoints(Path(parent), GraftOptions(), resume=True)

    def test_files_of_others_are_left_alone(self) -> None:
        with tempfile.TemporaryDirectory() as parent:
            (Path(parent) / "thesis.tex").write_text("x")
            for resume in (False, True):
                with self.assertRaisesRegex(ValueError, "holds files that are no checkpoints"):
                    open_checkpoints(Path(parent), Options(), resume=resume)
            self.assertTrue((Path(parent) / "thesis.tex").exists())


class _Stopped(Exception):
    """Stands for a training that was killed."""


def _stop_at(step, reached: int):
    def stopping(model, rows, progress):
        if progress.epoch == reached:
            raise _Stopped
        return step(model, rows, progress)

    return stopping


if __name__ == "__main__":
    unittest.main()
