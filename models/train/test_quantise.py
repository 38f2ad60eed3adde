"""Tests of the quantiser at a cut."""

from __future__ import annotations

import unittest

import torch

from .quantise import Quantiser
from .recipes import RECIPES


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

    def test_channels_not_sent_stand_at_the_middle_and_learn_nothing(self) -> None:
        quantiser = Quantiser(3)
        levels = torch.rand(3, 4, 2, 2).mul(7).requires_grad_()
        kept = quantiser.keep(levels, torch.tensor([4, 1, 2]))
        kept.sum().backward()
        for image, channels in enumerate((4, 1, 2)):
            self.assertTrue(torch.equal(kept[image, :channels], levels[image, :channels]))
            self.assertTrue((kept[image, channels:] == 4).all())
            self.assertTrue((levels.grad[image, :channels] == 1).all())
            self.assertTrue((levels.grad[image, channels:] == 0).all())

    def test_deployed_codes_are_those_the_training_pass_uses(self) -> None:
        for name, make in RECIPES.items():
            recipe = make()
            network = recipe.network().eval()
            image = torch.randint(0, 256, (5, *recipe.source.shape), dtype=torch.uint8)
            with torch.no_grad():
                trained = network.train_pass(image, 1.0, torch.full((5,), recipe.rates[-1]))
                logits, codes = network(image)
            for values, deployed in zip(trained.values, codes, strict=True):
                self.assertTrue(torch.equal(values.round().to(torch.uint8), deployed), name)
            for ours, theirs in zip(trained.logits, logits, strict=True):
                self.assertTrue(torch.allclose(ours, theirs, atol=1e-4), name)


if __name__ == "__main__":
    unittest.main()
