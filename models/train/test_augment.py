"""Tests of crops, turns and holes."""

from __future__ import annotations

import unittest

import torch

from .augment import CropRange, Cropper, blend

SIDE = 12


def ramp(images: int) -> torch.Tensor:
    """Images uint8 [n, SIDE, SIDE, 1] that tell each place by its value."""
    return torch.arange(SIDE * SIDE).to(torch.uint8).view(1, SIDE, SIDE, 1).repeat(images, 1, 1, 1)


class BlendTest(unittest.TestCase):
    def test_the_first_lie_between_two_of_themselves_and_the_others_stay(self) -> None:
        torch.manual_seed(1)
        images = torch.zeros(6, 2, 2, 1, dtype=torch.uint8)
        images[2], images[3] = 200, 100
        images[4], images[5] = 7, 9
        seen = torch.stack([blend(images, 4) for _ in range(200)])
        self.assertTrue(torch.equal(seen[:, 4:], images[4:].expand(200, -1, -1, -1, -1)))
        self.assertLessEqual(int(seen[:, :4].max()), 200)
        self.assertGreater(len(seen[:, 0].unique()), 50)
        self.assertGreaterEqual(int(seen[:, 2].max()), 190)
        self.assertEqual(seen.dtype, torch.uint8)


class CropperTest(unittest.TestCase):
    def setUp(self) -> None:
        torch.manual_seed(4)
        self.rows = torch.arange(200)

    def test_every_picture_is_turned_in_one_epoch_and_not_in_the_next(self) -> None:
        images = ramp(200)
        cropper = Cropper(images, CropRange(0, 0))
        for epoch in (0, 2):
            first, second = cropper.draw(self.rows, epoch), cropper.draw(self.rows, epoch + 1)
            self.assertTrue(torch.equal(first, second.flip(2)))
            straight = (first == images).flatten(1).all(1)
            self.assertTrue(torch.equal(second[~straight], images[~straight]))
            self.assertTrue(50 < straight.sum() < 150)

    def test_crops_are_off_centre_by_no_more_than_asked_and_by_all_of_it(self) -> None:
        images = ramp(200)
        cropper = Cropper(images, CropRange(2, 0))
        cropper.turned_first[:] = False
        seen = set()
        for crop in cropper.draw(self.rows, 0)[..., 0].long():
            middle = divmod(int(crop[SIDE // 2, SIDE // 2]), SIDE)
            down, across = middle[0] - SIDE // 2, middle[1] - SIDE // 2
            seen.add((down, across))
            inside = crop[2:-2, 2:-2]
            wanted = images[0, 2 + down : SIDE - 2 + down, 2 + across : SIDE - 2 + across, 0]
            self.assertTrue(torch.equal(inside, wanted.long()))
        self.assertEqual(len(seen), 25)
        self.assertEqual(max(max(abs(a), abs(b)) for a, b in seen), 2)

    def test_a_hole_is_one_rectangle_no_larger_than_asked(self) -> None:
        images = torch.full((200, SIDE, SIDE, 3), 10, dtype=torch.uint8)
        images[::2] = 20
        cropper = Cropper(images, CropRange(0, 5))
        largest = 0
        for crop in cropper.draw(self.rows, 0):
            blank = (crop == 15).all(2)
            self.assertTrue((blank == (crop == 15).any(2)).all())
            height, width = int(blank.any(1).sum()), int(blank.any(0).sum())
            self.assertEqual(int(blank.sum()), height * width)
            self.assertTrue(0 < height <= 5 and 0 < width <= 5)
            largest = max(largest, height * width)
        self.assertEqual(largest, 25)


if __name__ == "__main__":
    unittest.main()
