"""Tests of folding, rounding and counting, and of the recipes' networks."""

from __future__ import annotations

import unittest

import torch
from torch import nn

from .baseline import Baseline, inherit_all, inherit_trunks, unbranched
from .network import (
    ConvBn,
    ConvPoolNorm,
    Normalise,
    count_macs,
    count_parameters,
    deployed,
    fuse,
    round_to_half,
)
from .recipes import RECIPES
from .tiny import tiny_network


class NetworkTest(unittest.TestCase):
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

    def test_rounding_leaves_float16_values_and_refuses_what_is_too_large(self) -> None:
        layers = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 2))
        before = [parameter.clone() for parameter in layers.parameters()]
        round_to_half(layers)
        for old, new in zip(before, layers.parameters(), strict=True):
            self.assertTrue(torch.equal(new, new.half().float()))
            self.assertTrue(torch.allclose(old, new, rtol=1e-3))
        layers[2].bias.data[1] = 1e6
        with self.assertRaisesRegex(ValueError, "2 has a weight of 1e[+]06"):
            round_to_half(layers)

    def test_the_unbranched_network_is_trunks_and_last_head_alone(self) -> None:
        network = RECIPES["b-lenet-mnist"]().network().eval()
        image = torch.randint(0, 256, (3, 28, 28, 1), dtype=torch.uint8)
        plain = unbranched(network)
        with torch.no_grad():
            self.assertTrue(torch.equal(plain(image), network.main(image)))
        parts = [segment.trunk for segment in network.segments] + [network.segments[-1].head]
        self.assertEqual(count_parameters(plain), sum(map(count_parameters, parts)))

    def test_costs_count_one_row(self) -> None:
        head = nn.Sequential(nn.Flatten(), nn.Linear(8, 5))
        plain = Baseline(Normalise((0.0,), (1.0,)), nn.Conv2d(1, 2, 3), [nn.ReLU()], head)
        self.assertEqual(count_macs(plain, torch.zeros(1, 4, 4, 1)), 2 * 4 * 9 + 40)

    def test_a_network_inherits_what_its_baseline_has_learnt(self) -> None:
        image = torch.randint(0, 256, (3, 8, 8, 3), dtype=torch.uint8)
        baseline = unbranched(tiny_network()).eval()
        heir, half_heir = tiny_network().eval(), tiny_network().eval()
        inherit_all(heir, baseline)
        inherit_trunks(half_heir, baseline)
        with torch.no_grad():
            self.assertTrue(torch.equal(heir.main(image), baseline(image)))
            self.assertFalse(torch.equal(half_heir.main(image), baseline(image)))
            far = half_heir.segments[2]
            self.assertTrue(
                torch.equal(far.head(far.trunk(baseline.features(image)[1])), baseline(image))
            )


class RecipeTest(unittest.TestCase):
    def test_networks_fit_their_recipes(self) -> None:
        for name, make in RECIPES.items():
            recipe = make()
            network = fuse(recipe.network())
            image = torch.zeros(1, *recipe.source.shape, dtype=torch.uint8)
            with torch.no_grad():
                logits, codes = network(image)
                plain = fuse(recipe.baseline())(image)
            classes = (1, len(recipe.source.classes))
            self.assertEqual([exit.shape for exit in logits], [classes] * len(recipe.exit_names), name)
            self.assertEqual(plain.shape, classes, name)
            self.assertEqual(recipe.rates[-1], codes[0].shape[1], name)
            self.assertEqual(list(recipe.rates), sorted(set(recipe.rates)), name)

    def test_the_device_is_the_smallest_part_by_far(self) -> None:
        for name, make in RECIPES.items():
            recipe = make()
            device = deployed(fuse(recipe.network()))[0]
            plain = fuse(recipe.baseline())
            image = torch.zeros(1, *recipe.source.shape, dtype=torch.uint8)
            self.assertLess(count_macs(device, image), 0.7 * count_macs(plain, image), name)

    def test_the_device_of_b_lenet_stays_under_its_bound(self) -> None:
        network = fuse(RECIPES["b-lenet-mnist"]().network())
        device, image = network.segments[0], torch.zeros(1, 28, 28, 1, dtype=torch.uint8)
        features = device.trunk(network.normalise(image))
        macs = count_macs(device.trunk, network.normalise(image))
        self.assertEqual(macs + count_macs(device.head, features), 220_150)
        self.assertLessEqual(macs + 107_650 + count_macs(device.encoder, features), 350_000)


if __name__ == "__main__":
    unittest.main()
