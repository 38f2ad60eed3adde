"""Tests of Muon and of the optimiser that mixes it with Adam."""

from __future__ import annotations

import unittest

import torch
from torch import nn

from .optimise import muon_adam, orthogonal


class MuonTest(unittest.TestCase):
    def test_singular_values_come_near_one(self) -> None:
        torch.manual_seed(2)
        for shape in ((32, 200), (200, 32), (64, 64)):
            values = torch.linalg.svdvals(orthogonal(torch.randn(shape) * 1e-4))
            self.assertLess(values.max(), 1.3, shape)
            self.assertGreater(values.median(), 0.6, shape)

    def test_directions_are_kept(self) -> None:
        torch.manual_seed(2)
        gradient = torch.randn(16, 90)
        u, _, v = torch.linalg.svd(gradient, full_matrices=False)
        turned = u.T @ orthogonal(gradient) @ v.T
        self.assertLess((turned - turned.diag().diag()).abs().max(), 0.02)
        self.assertGreater(turned.diag().min(), 0)

    def test_convolutions_stay_at_a_fixed_norm_whatever_they_began_at(self) -> None:
        torch.manual_seed(2)
        for scale in (0.01, 100.0):
            layer = nn.Conv2d(8, 16, 3, bias=False)
            nn.init.normal_(layer.weight, std=scale)
            optimiser = muon_adam(0.01, 0.01)(layer)
            for _ in range(3):
                optimiser.zero_grad()
                layer(torch.randn(4, 8, 5, 5)).square().mean().backward()
                optimiser.step()
            self.assertAlmostEqual(layer.weight.norm().item(), 16**0.5, delta=0.05)

    def test_both_kinds_of_parameters_go_downhill(self) -> None:
        torch.manual_seed(2)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 1))
        images, wanted = torch.randn(64, 1, 5, 5), torch.randn(64, 1)
        optimiser = muon_adam(0.05, 0.01)(model)
        losses = []
        for _ in range(60):
            loss = (model(images) - wanted).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        self.assertLess(losses[-1], 0.8 * losses[0])

    def test_its_state_survives_saving(self) -> None:
        torch.manual_seed(2)
        model = nn.Conv2d(2, 4, 3)
        optimiser = muon_adam(0.05, 0.01)(model)
        model(torch.randn(1, 2, 4, 4)).sum().backward()
        optimiser.step()
        other = muon_adam(0.05, 0.01)(model)
        other.load_state_dict(optimiser.state_dict())
        for parameter in model.parameters():
            for name, value in optimiser.state[parameter].items():
                self.assertTrue(torch.equal(other.state[parameter][name], value), name)


if __name__ == "__main__":
    unittest.main()
