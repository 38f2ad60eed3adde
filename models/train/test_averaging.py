"""Tests of averages of networks."""

from __future__ import annotations

import unittest

import torch
from torch import nn

from .averaging import averaged, refresh_norms


def _network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3))


class AveragingTest(unittest.TestCase):
    def test_weights_lie_between_and_the_two_are_left_alone(self) -> None:
        one, other = _network(1), _network(2)
        before = one[0].weight.clone()
        between = averaged(one, other, 0.25)
        expected = 0.75 * one[0].weight + 0.25 * other[0].weight
        torch.testing.assert_close(between[0].weight, expected)
        self.assertTrue(torch.equal(one[0].weight, before))

    def test_norms_are_the_mean_over_all_batches_whatever_they_were(self) -> None:
        network = _network(3)
        network[1].running_mean.fill_(99.0)
        batches = torch.randn(4, 8, 1, 6, 6).unbind(0)
        refresh_norms(network, network, batches)
        values = torch.cat([network[0](batch) for batch in batches])
        torch.testing.assert_close(network[1].running_mean, values.mean((0, 2, 3)))
        self.assertEqual((network[1].momentum, network.training), (0.1, False))


if __name__ == "__main__":
    unittest.main()
