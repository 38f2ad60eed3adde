"""Tests of the data files' readers."""

from __future__ import annotations

import gzip
import struct
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from .cifar import APPROXIMATE, CIFAR10, RECORD_BYTES, RECORDS, TEST, parse_records, read_exact
from .data import DataError, Images, Split, load_test, load_training
from .mnist import MNIST, parse_idx


class MnistTest(unittest.TestCase):
    def test_a_missing_file_is_named_with_its_mend(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(DataError, "train-images.*offramp data mnist --to"):
                load_training(Path(folder), MNIST)

    def test_a_changed_file_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "mnist").mkdir()
            (Path(folder) / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"not it")
            with self.assertRaisesRegex(DataError, "SHA-256"):
                load_training(Path(folder), MNIST)

    def test_a_truncated_idx_is_refused(self) -> None:
        whole = b"\0\0\x08\x01" + struct.pack(">I", 3) + b"abc"
        self.assertEqual(parse_idx(whole, "x").tolist(), [97, 98, 99])
        for cut in (0, 3, 6, len(whole) - 1):
            with self.assertRaises(DataError):
                parse_idx(whole[:cut], "x")


def records() -> np.ndarray:
    """Records uint8 [RECORDS, RECORD_BYTES], black but for one pixel, as many of every class."""
    made = np.zeros((RECORDS, RECORD_BYTES), np.uint8)
    made[:, 0] = np.arange(RECORDS) % 10
    made[7, 1 + 1024 + 2 * 32 + 5] = 200  # green, row 2, column 5
    return made


class CifarTest(unittest.TestCase):
    def setUp(self) -> None:
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.folder = Path(self.scratch.name)
        self.home = self.folder / "cifar10"
        self.home.mkdir()

    def write(self, content: bytes) -> None:
        (self.home / "test_batch.bin.gz").write_bytes(gzip.compress(content, 1))

    def test_planes_become_channels(self) -> None:
        pixels, labels = parse_records(records().tobytes(), "x")
        self.assertEqual(pixels.shape, (RECORDS, 32, 32, 3))
        self.assertEqual(pixels[7, 2, 5].tolist(), [0, 200, 0])
        self.assertEqual(int(pixels.sum(dtype=int)), 200)
        self.assertEqual(labels[:3].tolist(), [0, 1, 2])

    def test_a_wrong_length_or_label_is_refused(self) -> None:
        made = records()
        for raw in (b"", made.tobytes()[:-1], made.tobytes() + b"\0"):
            with self.assertRaisesRegex(DataError, f"x has {len(raw)} bytes, expected 30730000"):
                parse_records(raw, "x")
        made[123, 0] = 10
        with self.assertRaisesRegex(DataError, "label 10 in record 123"):
            parse_records(made.tobytes(), "x")

    def test_a_file_missing_or_not_packed_is_named_with_its_mend(self) -> None:
        with self.assertRaisesRegex(DataError, "test_batch.bin.gz is missing.*offramp data cifar10"):
            load_test(self.folder, CIFAR10)
        (self.home / "test_batch.bin.gz").write_bytes(b"no gzip")
        with self.assertRaisesRegex(DataError, "cannot be unpacked.*offramp data cifar10"):
            load_test(self.folder, CIFAR10)

    def test_classes_of_unequal_size_are_refused(self) -> None:
        made = records()
        made[0, 0] = 1
        self.write(made.tobytes())
        with self.assertRaisesRegex(DataError, r"\[999, 1001, 1000.*expected 1000 of each"):
            load_test(self.folder, CIFAR10)

    def test_listed_approximations_are_marked(self) -> None:
        self.write(records().tobytes())
        self.assertIsNone(load_test(self.folder, CIFAR10).exact)
        (self.home / APPROXIMATE).write_text('{"test_batch.bin": [3, 9999], "data_batch_1.bin": [1]}')
        split = load_test(self.folder, CIFAR10)
        self.assertEqual((~split.exact).nonzero().flatten().tolist(), [3, 9999])
        self.assertEqual(split.approximations, 2)

    def test_a_nonsense_list_of_approximations_is_refused(self) -> None:
        records = ("3", "[10000]", "[-1]", '["3"]', "[true]", "[1.0]", "[[1]]", "null")
        lists = [f'{{"test_batch.bin": {value}}}' for value in records]
        for text in ("[3]", "no", '"a"', "\xff", *lists):
            (self.home / APPROXIMATE).write_bytes(text.encode("latin-1"))
            with self.assertRaisesRegex(DataError, APPROXIMATE, msg=text):
                read_exact(self.home, TEST)
        for text in ("{}", '{"test_batch.bin": []}'):
            (self.home / APPROXIMATE).write_text(text)
            self.assertTrue(read_exact(self.home, TEST).all())


class SplitTest(unittest.TestCase):
    def test_parting_keeps_pictures_labels_and_marks_together(self) -> None:
        numbers = torch.arange(6_000)
        pixels = torch.stack([numbers // 256, numbers % 256], 1).to(torch.uint8).view(-1, 1, 1, 2)
        loaded = Images(pixels, numbers, numbers % 7 != 0)
        source = type("Source", (), {"load_training": staticmethod(lambda _: loaded)})
        training, calibration = load_training(Path(), source)
        self.assertEqual((len(training), len(calibration)), (1_000, 5_000))
        self.assertEqual(torch.cat([training.labels, calibration.labels]).unique().numel(), 6_000)
        for split in (training, calibration):
            high, low = split.images.long().view(-1, 2).unbind(1)
            self.assertTrue(torch.equal(high * 256 + low, split.labels))
            self.assertTrue(torch.equal(split.exact, split.labels % 7 != 0))

    def test_without_a_list_nothing_is_called_an_approximation(self) -> None:
        self.assertEqual(Split("x", torch.zeros(2), torch.zeros(2)).approximations, 0)


if __name__ == "__main__":
    unittest.main()
