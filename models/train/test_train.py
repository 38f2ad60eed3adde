"""Tests of what a bundle hangs on: `python -m unittest models.train.test_train`."""

from __future__ import annotations

import struct
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .calibrate import (
    Target,
    calibrate,
    choose_threshold,
    fit_temperature,
    measure,
    normalised_entropy,
    parse_target,
)
from .checkpoints import open_checkpoints
from .data import MNIST, DataError, load_training, parse_idx
from .export import record_bytes
from .network import ConvBn, ConvPoolNorm, count_macs, fuse
from .options import Options
from .quantise import Quantiser
from .recipes import RECIPES
from .stage import Log, Stage, run_stage
from .tables import RateModel, code_bits, contexts, count, integer_tables


class QuantiserTest(unittest.TestCase):
    def test_gradient_passes_the_rounding(self) -> None:
        quantiser = Quantiser(3)
        encoded = torch.randn(4, 2, 3, 3, requires_grad=True)
        values = quantiser.values(encoded)
        hard, soft = quantiser.soft_codes(values, 1.0), quantiser.soft_codes(values, 0.0)
        (hard_gradient,) = torch.autograd.grad(hard.sum(), encoded, retain_graph=True)
        (soft_gradient,) = torch.autograd.grad(soft.sum(), encoded)
        self.assertTrue(torch.allclose(hard, values.round()))
        self.assertTrue(torch.equal(hard_gradient, soft_gradient))
        self.assertGreater(hard_gradient.abs().min().item(), 0)

    def test_codes_span_all_levels_and_come_back_between_minus_one_and_one(self) -> None:
        quantiser = Quantiser(2)
        codes = quantiser.codes(torch.linspace(-50, 50, 101))
        self.assertEqual(sorted(set(codes.tolist())), [0, 1, 2, 3])
        self.assertEqual(quantiser.dequantise(torch.tensor([0, 3])).tolist(), [-1.0, 1.0])

    def test_deployed_codes_are_those_the_training_pass_uses(self) -> None:
        network = RECIPES["b-lenet-mnist"]().network().eval()
        image = torch.randint(0, 256, (5, 28, 28, 1), dtype=torch.uint8)
        with torch.no_grad():
            trained = network.train_pass(image, 1.0)
            logits, codes = network(image)
        self.assertTrue(torch.equal(trained.values[0].round().to(torch.uint8), codes[0]))
        for ours, theirs in zip(trained.logits, logits, strict=True):
            self.assertTrue(torch.allclose(ours, theirs, atol=1e-5))


class TablesTest(unittest.TestCase):
    def test_context_follows_the_bundle_layout(self) -> None:
        codes = torch.tensor([[[[7, 1], [4, 6]], [[2, 3], [5, 0]]]], dtype=torch.uint8)
        found = contexts(codes, 3)[0]
        self.assertEqual(found[0, 0, 0].item(), 0)
        self.assertEqual(found[0, 1, 1].item(), (2 * 4 + 0) * 4)  # left 4>>1, up 1>>1
        self.assertEqual(found[1, 1, 1].item(), ((4 + 2) * 4 + 1) * 4 + 3)

    def test_rows_sum_to_the_total_and_no_entry_is_zero(self) -> None:
        generator = torch.Generator().manual_seed(3)
        for bits in (1, 2, 4):
            counts = torch.rand(128, 1 << bits, generator=generator).pow(20) * 1e7
            counts[5:50] = 0
            table = integer_tables(counts)
            self.assertEqual(table.dtype, np.dtype("<u2"))
            self.assertTrue((table.astype(int).sum(1) == 16384).all())
            self.assertGreaterEqual(table.min(), 1)

    def test_tables_of_the_codes_themselves_beat_plain_packing(self) -> None:
        codes = (torch.randn(500, 3, 4, 4).abs() * 1.2).clamp(0, 3).to(torch.uint8)
        table = integer_tables(count(codes, torch.ones(500), 2))
        self.assertLess(code_bits(codes, table, 2).mean(), 3 * 16 * 2)

    def test_rate_has_the_slope_of_the_code_length(self) -> None:
        rates = RateModel(1, 2)
        rates.observe(torch.zeros(200, 1, 2, 2), torch.ones(200))
        values = torch.full((1, 1, 2, 2), 0.4, requires_grad=True)
        rates.bits_per_image(values).sum().backward()
        self.assertGreater(values.grad.min().item(), 0)


class CalibrationTest(unittest.TestCase):
    def setUp(self) -> None:
        generator = np.random.default_rng(1)
        self.labels = generator.integers(0, 10, 2000)
        sharp = np.eye(10)[self.labels] * 4 + generator.normal(size=(2000, 10))
        sharper = np.eye(10)[self.labels] * 8 + generator.normal(size=(2000, 10))
        self.logits = np.stack([sharp, sharper], 1).astype(np.float32)

    def test_temperature_undoes_a_scaling(self) -> None:
        plain = fit_temperature(self.logits[:, 0], self.labels)
        scaled = fit_temperature(self.logits[:, 0] * 3, self.labels)
        self.assertAlmostEqual(scaled / plain, 3, places=3)

    def test_entropy_lies_between_sure_and_even(self) -> None:
        eta = normalised_entropy(np.array([[0.0] * 10, [900.0] + [0.0] * 9]), 1.0)
        self.assertAlmostEqual(eta[0], 1)
        self.assertAlmostEqual(eta[1], 0)

    def test_device_share_is_met_exactly(self) -> None:
        target = Target("device-share", 0.9)
        temperatures, thresholds = calibrate(self.logits, self.labels, target)
        outcome, offloaded = measure(self.logits, self.labels, temperatures, thresholds)
        self.assertEqual(outcome.device_share, 0.9)
        self.assertEqual(offloaded.sum(), 200)

    def test_accuracy_target_takes_the_largest_share_that_reaches_it(self) -> None:
        eta = np.array([0.1, 0.2, 0.3, 0.4])
        labels, early, late = np.zeros(4), np.array([0, 0, 1, 1]), np.zeros(4)
        threshold = choose_threshold(eta, early, late, labels, Target("accuracy", 0.75))
        self.assertEqual((eta < threshold).sum(), 3)
        with self.assertRaises(ValueError):
            choose_threshold(eta, early, early, labels, Target("accuracy", 0.9))

    def test_a_wrong_target_is_refused(self) -> None:
        for text in ("share=0.9", "accuracy", "accuracy=1.5", "accuracy=nan"):
            with self.assertRaises(ValueError):
                parse_target(text)


class BundleTest(unittest.TestCase):
    def test_records_pad_the_labels_to_eight(self) -> None:
        logits = np.arange(3 * 2 * 10, dtype=np.float32).reshape(3, 2, 10)
        raw = record_bytes(np.array([1, 2, 3]), logits)
        self.assertEqual(raw[:8], bytes([1, 2, 3, 0, 0, 0, 0, 0]))
        self.assertEqual(struct.unpack("<60f", raw[8:]), tuple(range(60)))

    def test_fusing_changes_nothing(self) -> None:
        plain = nn.Conv2d(3, 4, 3, bias=False)
        widening = nn.ConvTranspose2d(3, 4, 2, stride=2, bias=False)
        for conv in (plain, widening):
            pooled = ConvPoolNorm(nn.Conv2d(4, 5, 3, bias=False), nn.MaxPool2d(2, ceil_mode=True))
            nn.init.normal_(pooled.norm.weight)
            block = nn.Sequential(ConvBn(conv), pooled)
            block(torch.randn(16, 3, 6, 6))
            x = torch.randn(2, 3, 6, 6)
            self.assertTrue(torch.allclose(block.eval()(x), fuse(block)(x), atol=1e-5))

    def test_device_segment_stays_under_its_bound(self) -> None:
        network = fuse(RECIPES["b-lenet-mnist"]().network())
        device, image = network.segments[0], torch.zeros(1, 28, 28, 1, dtype=torch.uint8)
        features = device.trunk(network.normalise(image))
        macs = count_macs(device.trunk, network.normalise(image))
        self.assertEqual(macs + count_macs(device.head, features), 220_150)
        self.assertLessEqual(macs + 107_650 + count_macs(device.encoder, features), 350_000)


class DataTest(unittest.TestCase):
    def test_a_missing_file_is_named_with_its_mend(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(DataError, "train-images.*offramp data mnist --to"):
                load_training(Path(folder), MNIST)

    def test_a_changed_file_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "mnist").mkdir()
            (Path(folder) / "mnist" / MNIST.training[0].name).write_bytes(b"not it")
            with self.assertRaisesRegex(DataError, "SHA-256"):
                load_training(Path(folder), MNIST)

    def test_a_truncated_idx_is_refused(self) -> None:
        whole = b"\0\0\x08\x01" + struct.pack(">I", 3) + b"abc"
        self.assertEqual(parse_idx(whole, "x").tolist(), [97, 98, 99])
        for cut in (0, 3, 6, len(whole) - 1):
            with self.assertRaises(DataError):
                parse_idx(whole[:cut], "x")


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
                try:
                    run_stage(stage, model, _stop_at(step, reached), lambda _: {}, folder, log)
                except _Stopped:
                    continue
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

    def test_files_of_others_are_left_alone(self) -> None:
        with tempfile.TemporaryDirectory() as parent:
            (Path(parent) / "thesis.tex").write_text("x")
            with self.assertRaisesRegex(ValueError, "holds files that are no checkpoints"):
                open_checkpoints(Path(parent), Options(), resume=False)
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
