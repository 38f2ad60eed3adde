"""Tests of temperatures, thresholds and the exit rule."""

from __future__ import annotations

import unittest

import numpy as np

from .calibrate import (
    LATER_AGREEMENT,
    ExitRule,
    Target,
    agreeing_threshold,
    calibrate,
    choose_threshold,
    fit_temperature,
    measure,
    normalised_entropy,
    parse_target,
    taken_exits,
)


class CalibrationTest(unittest.TestCase):
    def setUp(self) -> None:
        generator = np.random.default_rng(1)
        self.labels = generator.integers(0, 10, 2000)
        exits = [
            np.eye(10)[self.labels] * sharpness + generator.normal(size=(2000, 10))
            for sharpness in (4, 6, 8)
        ]
        self.logits = np.stack(exits, 1).astype(np.float32)

    def test_temperature_undoes_a_scaling(self) -> None:
        plain = fit_temperature(self.logits[:, 0], self.labels)
        scaled = fit_temperature(self.logits[:, 0] * 3, self.labels)
        self.assertAlmostEqual(scaled / plain, 3, places=3)

    def test_entropy_lies_between_sure_and_even(self) -> None:
        eta = normalised_entropy(np.array([[0.0] * 10, [900.0] + [0.0] * 9]), 1.0)
        self.assertAlmostEqual(eta[0], 1)
        self.assertAlmostEqual(eta[1], 0)

    def test_device_share_is_met_exactly_whatever_comes_behind(self) -> None:
        target = Target("device-share", 0.9)
        for exits in ([0, 2], [0, 1, 2]):
            logits = self.logits[:, exits]
            outcome = measure(logits, self.labels, calibrate(logits, self.labels, target))
            self.assertEqual(outcome.device_share, 0.9)
            self.assertEqual(outcome.exits[0].share, 0.9)
            self.assertAlmostEqual(sum(exit.share for exit in outcome.exits), 1)

    def test_a_later_exit_agrees_with_the_last_and_lets_none_go_in_vain(self) -> None:
        rule = calibrate(self.logits, self.labels, Target("device-share", 0.5))
        outcome = measure(self.logits, self.labels, rule)
        self.assertGreaterEqual(outcome.exits[1].agreement, LATER_AGREEMENT)
        here = taken_exits(self.logits, rule) > 0
        answers = self.logits.argmax(2)
        eta = normalised_entropy(self.logits[here, 1], rule.temperatures[1])
        agreeing = answers[here, 1] == answers[here, 2]
        largest = agreeing_threshold(eta, agreeing, LATER_AGREEMENT)
        self.assertEqual(rule.thresholds[1], largest)

    def test_an_agreeing_threshold_is_the_largest_there_is(self) -> None:
        eta = np.array([0.4, 0.1, 0.3, 0.2])
        agreeing = np.array([True, True, False, True])
        for share, leaving in ((0.6, 4), (0.8, 2), (0.75, 4)):
            threshold = agreeing_threshold(eta, agreeing, share)
            self.assertEqual((eta < threshold).sum(), leaving, share)
        self.assertEqual(agreeing_threshold(eta, np.zeros(4, bool), 0.5), 0.0)

    def test_an_image_leaves_at_the_first_exit_that_is_sure(self) -> None:
        sure, torn = [9.0, 0.0], [0.1, 0.0]
        logits = np.array([[sure, torn, torn], [torn, sure, sure], [torn, torn, sure]], np.float32)
        rule = ExitRule([1.0, 1.0, 1.0], [0.5, 0.5])
        self.assertEqual(taken_exits(logits, rule).tolist(), [0, 1, 2])

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


if __name__ == "__main__":
    unittest.main()
