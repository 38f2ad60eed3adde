"""Tests of the entropy coder's tables, its rate model, and the exact length of its streams."""

from __future__ import annotations

import unittest

import numpy as np
import torch

from .coder import CHECKSUM_BYTES, range_coded, stream_bytes
from .tables import RateModel, code_bits, contexts, count, integer_tables


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


def decode(payload: bytes, frequencies: np.ndarray) -> list[int]:
    """The decoder of the documentation, given the frequencies [codes, levels] of each code's context."""
    ahead = iter(payload)
    offset = int.from_bytes(bytes(next(ahead, 0) for _ in range(4)), "big")
    span, codes = 2**32 - 1, []
    for row in frequencies:
        unit, starts = span >> 14, np.cumsum(row) - row
        value = int(np.flatnonzero(starts <= offset // unit)[-1])
        below = unit * int(starts[value])
        offset -= below
        span = span - below if value == len(row) - 1 else unit * int(row[value])
        while span < 2**24:
            offset, span = offset << 8 | next(ahead, 0), span << 8
        codes.append(value)
    return codes


class CoderTest(unittest.TestCase):
    def test_the_example_of_the_documentation_gives_its_bytes(self) -> None:
        table = np.tile(np.array([13000, 3000, 300, 84], "<u2"), (64, 1))
        codes = np.array([0, 0, 1, 0, 0, 2, 1, 0, 0, 0, 0, 0], np.uint8).reshape(1, 1, 3, 4)
        coded, lengths = range_coded(codes, table, 2)
        self.assertEqual(coded[0, : lengths[0]].tobytes().hex(), "924c")
        self.assertEqual(stream_bytes(codes, table, 2).tolist(), [4])

    def test_payloads_decode_to_the_codes_they_were_made_of(self) -> None:
        codes = np.random.default_rng(4).integers(0, 8, (30, 3, 4, 5), np.uint8)
        codes[:10] //= 4
        table = integer_tables(count(torch.from_numpy(codes), torch.ones(30), 3))
        rows = contexts(torch.from_numpy(codes), 3).numpy().reshape(30, -1)
        payloads = zip(*range_coded(codes, table, 3), strict=True)
        for image, (coded, length) in enumerate(payloads):
            decoded = decode(coded[:length].tobytes(), table[rows[image]].astype(int))
            self.assertEqual(decoded, codes[image].flatten().tolist())

    def test_streams_are_as_long_as_the_tables_say_and_never_longer_than_packed(self) -> None:
        generator = torch.Generator().manual_seed(5)
        codes = (torch.randn(400, 4, 6, 6, generator=generator).abs() * 1.1).clamp(0, 3)
        codes = codes.to(torch.uint8)
        table = integer_tables(count(codes, torch.ones(400), 2))
        surplus = stream_bytes(codes.numpy(), table, 2) - code_bits(codes, table, 2) / 8
        self.assertGreater(surplus.min(), CHECKSUM_BYTES - 1)
        self.assertLess(surplus.max(), CHECKSUM_BYTES + 1.2)
        unlikely = np.random.default_rng(1).integers(0, 4, codes.shape, np.uint8)
        self.assertTrue((stream_bytes(unlikely, table, 2) <= 4 * 36 // 4 + CHECKSUM_BYTES).all())

    def test_fewer_channels_need_no_tables_of_their_own(self) -> None:
        codes = np.random.default_rng(2).integers(0, 4, (20, 4, 3, 3), np.uint8)
        table = integer_tables(count(torch.from_numpy(codes), torch.ones(20), 2))
        part = np.ascontiguousarray(codes[:, :2])
        self.assertEqual(
            stream_bytes(part, table, 2).tolist(), stream_bytes(part, table[:128], 2).tolist()
        )


if __name__ == "__main__":
    unittest.main()
