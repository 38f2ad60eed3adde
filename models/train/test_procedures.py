"""Tests of the trainings themselves: stages, stopping, and going on from a checkpoint."""

from __future__ import annotations

import tempfile
import unittest
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Iterator
from unittest.mock import patch

import torch

from .baseline import Baseline, Trained
from .graft import Graft
from .options import GraftOptions
from .price import Price
from .stage import Log
from .tiny import tiny_recipe, tiny_split

OPTIONS = GraftOptions(
    epochs=2,
    baseline_epochs=1,
    polish_epochs=2,
    batch=16,
    shift_pixels=1,
    hole_pixels=2,
    baseline_shift_pixels=1,
    wanted_bytes=8.0,
)
SPLITS = (tiny_split("training", 64, 1), tiny_split("calibration", 40, 2))


class PriceTest(unittest.TestCase):
    def test_it_rises_after_too_many_bytes_and_falls_after_too_few(self) -> None:
        price = Price(100.0)
        before = float(price.per_bit)
        price.move(150.0)
        dearer = float(price.per_bit)
        self.assertGreater(dearer, before)
        price.move(50.0)
        price.move(50.0)
        self.assertLess(float(price.per_bit), dearer)

    def test_it_rests_at_the_wanted_bytes_and_stays_within_bounds(self) -> None:
        price = Price(100.0)
        price.move(100.0)
        self.assertAlmostEqual(float(price.per_bit), 1e-5, places=9)
        for mean_bytes, bound in ((0.0, 1e-7), (1e9, 1e-2)):
            for _ in range(2_000):
                price.move(mean_bytes)
            self.assertAlmostEqual(float(price.per_bit) / bound, 1, places=4)


class GraftTest(unittest.TestCase):
    def test_a_resumed_training_ends_where_an_unbroken_one_does_bit_by_bit(self) -> None:
        with _folder() as one, _folder() as two:
            _train(one)
            for epochs in (1, 1, 1, 1):
                with self.assertRaises(_Stopped):
                    _train(two, log=_StoppingLog(two / "log.jsonl", epochs))
            _train(two)
            stages = Graft.stages[:-1]
            self.assertEqual({path.stem for path in two.glob("*.pt")}, set(stages))
            for stage in stages:
                unbroken, resumed = (
                    _flat(torch.load(folder / f"{stage}.pt", weights_only=True))
                    for folder in (one, two)
                )
                self.assertEqual(unbroken.keys(), resumed.keys())
                for key, value in unbroken.items():
                    self.assertTrue(torch.equal(value, resumed[key]), f"{stage}: {key}")

    def test_it_stops_where_it_is_told_and_ends_at_once_when_all_is_done(self) -> None:
        with _folder() as folder:
            self.assertIsNone(_train(folder, until="baseline"))
            self.assertEqual([path.stem for path in folder.glob("*.pt")], ["baseline"])
            for until in ("graft", "polish"):
                self.assertIsNone(_train(folder, until=until))
                self.assertTrue((folder / f"{until}.pt").exists())
            lines = (folder / "log.jsonl").read_text().splitlines()
            trained = _train(folder)
            self.assertIsInstance(trained.baseline, Baseline)
            self.assertEqual((folder / "log.jsonl").read_text().splitlines(), lines)
            epochs = (OPTIONS.baseline_epochs, OPTIONS.epochs, OPTIONS.polish_epochs)
            self.assertEqual(len(lines), sum(epochs))

    def test_without_epochs_of_polishing_the_grafted_network_is_the_result(self) -> None:
        with _folder() as folder:
            options = replace(OPTIONS, polish_epochs=0)
            trained = _train(folder, options=options)
            self.assertEqual({path.stem for path in folder.glob("*.pt")}, {"baseline", "graft"})
            grafted = torch.load(folder / "graft.pt", weights_only=True)["average"]
            for key, value in trained.network.state_dict().items():
                self.assertTrue(torch.equal(value, grafted[key]), key)

    def test_a_recipe_without_a_baseline_is_refused(self) -> None:
        recipe = replace(tiny_recipe(OPTIONS), baseline=None)
        with self.assertRaisesRegex(ValueError, "tiny-corners has no baseline"):
            Graft(recipe, OPTIONS, SPLITS, Path(), Log(Path("unused")))


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _train(
    folder: Path,
    *,
    log: Log | None = None,
    until: str = "export",
    options: GraftOptions = OPTIONS,
) -> Trained | None:
    with patch("builtins.print"):
        made = Graft(
            tiny_recipe(options), options, SPLITS, folder, log or Log(folder / "log.jsonl")
        )
        return made.run(until)


class _Stopped(Exception):
    """Stands for a training that was killed."""


class _StoppingLog(Log):
    """A log during whose entry after `epochs` the training is killed, before it saves that epoch."""

    def __init__(self, path: Path, epochs: int) -> None:
        super().__init__(path)
        self.left = epochs

    def write(self, entry: dict[str, object]) -> None:
        if self.left == 0:
            raise _Stopped
        self.left -= 1
        super().write(entry)


def _flat(value: object, name: str = "") -> dict[str, torch.Tensor]:
    """Every tensor and number of a nest of dictionaries and lists by its path."""
    if isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for key, part in items for k, v in _flat(part, f"{name}/{key}").items()}
    return {name: value if isinstance(value, torch.Tensor) else torch.tensor(hash(value))}


if __name__ == "__main__":
    unittest.main()
