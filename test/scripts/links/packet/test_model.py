"""Tests of the packet-level link's model, on a clock that is a number: `python3 -m unittest discover test/scripts/links/packet`."""

from __future__ import annotations

import json
import math
import sys
import unittest
from pathlib import Path
from random import Random
from statistics import mean, pstdev

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parents[4] / "scripts" / "links" / "packet"))

from definition import LinkError, parse_link  # noqa: E402
from forward import Lateness  # noqa: E402
from model import OneWay, refuse_closed  # noqa: E402

PACKET = 1500


def link_json(**changes: object) -> dict[str, object]:
    direction = {
        "rate": {"kind": "constant", "bitsPerSecond": 12e6},
        "delayMs": 20,
        "jitterMs": 0,
        "lossShare": 0,
        "queueBytes": 15_000,
    }
    outages = changes.pop("outages", [])
    return {"name": "test", "up": {**direction, **changes}, "down": direction, "outages": outages}


def one_way(**changes: object) -> OneWay:
    """12 Mbit/s unless changed: a packet takes a millisecond."""
    link = parse_link(json.dumps(link_json(**changes)))
    return OneWay(link.up, link.outages, Random(1))


class QueueTest(unittest.TestCase):
    def test_a_packet_takes_its_time_at_the_rate_and_the_delay(self) -> None:
        self.assertEqual([one_way().offer(PACKET, 5), one_way().offer(750, 5)], [26, 25.5])

    def test_what_the_queue_has_no_room_for_is_dropped(self) -> None:
        way = one_way()
        arrivals = [way.offer(PACKET, 0) for _ in range(12)]
        self.assertEqual(arrivals, [21.0 + n for n in range(10)] + [None, None])
        self.assertEqual((way.dropped, way.lost), (2, 0))

    def test_a_packet_has_its_place_until_its_last_byte_has_left(self) -> None:
        way = one_way()
        for _ in range(10):
            way.offer(PACKET, 0)
        self.assertIsNone(way.offer(PACKET, 0.99))
        self.assertEqual(way.offer(PACKET, 1.0), 31)

    def test_packets_without_a_limit_of_the_rate_do_not_wait(self) -> None:
        way = one_way(rate={"kind": "constant", "bitsPerSecond": None})
        self.assertEqual([way.offer(PACKET, 3) for _ in range(100)], [23] * 100)

    def test_nothing_leaves_before_the_beginning(self) -> None:
        link = parse_link(json.dumps(link_json()))
        self.assertEqual(OneWay(link.up, link.outages, Random(1), 7).offer(PACKET, 7), 28)


class OutageTest(unittest.TestCase):
    def test_what_waits_leaves_behind_it_and_what_had_left_arrives(self) -> None:
        way = one_way(outages=[{"atMs": 10, "lastsMs": 100}])
        self.assertEqual(way.offer(PACKET, 9), 30)
        self.assertEqual([way.offer(PACKET, 50) for _ in range(2)], [131, 132])

    def test_a_packet_that_is_half_sent_goes_on(self) -> None:
        self.assertEqual(one_way(outages=[{"atMs": 10, "lastsMs": 100}]).offer(PACKET, 9.5), 130.5)

    def test_the_queue_drops_when_it_is_full(self) -> None:
        way = one_way(outages=[{"atMs": 0, "lastsMs": 100, "everyMs": 200}])
        self.assertEqual([way.offer(PACKET, n) is None for n in range(11)], [False] * 10 + [True])
        self.assertEqual([way.offer(PACKET, at) for at in (250, 399.5)], [321, 520.5])

    def test_outages_without_a_gap_are_refused(self) -> None:
        halves = [{"atMs": at, "lastsMs": 60, "everyMs": 100} for at in (0, 50)]
        with self.assertRaisesRegex(LinkError, "no gap"):
            refuse_closed(parse_link(json.dumps(link_json(outages=halves))))


class TraceTest(unittest.TestCase):
    def test_an_opportunity_that_nothing_waits_for_is_gone(self) -> None:
        way = one_way(rate={"kind": "opportunities", "atMs": [10, 20, 30], "lengthMs": 30})
        self.assertEqual([way.offer(PACKET, at) for at in (0, 12, 25, 25)], [30, 40, 50, 60])

    def test_an_opportunity_takes_several_packets_and_a_packet_takes_several(self) -> None:
        way = one_way(rate={"kind": "opportunities", "atMs": [10, 20], "lengthMs": 20})
        self.assertEqual([way.offer(size, 0) for size in (500, 500, 1000, 1000)], [30, 30, 40, 40])

    def test_no_opportunity_in_an_outage_is_used(self) -> None:
        rate = {"kind": "opportunities", "atMs": [10, 20], "lengthMs": 20}
        self.assertEqual(one_way(rate=rate, outages=[{"atMs": 5, "lastsMs": 30}]).offer(100, 0), 60)

    def test_steps_change_the_rate_in_the_middle_of_a_packet(self) -> None:
        steps = [{"fromMs": 0, "bitsPerSecond": 6e6}, {"fromMs": 1, "bitsPerSecond": 0}]
        way = one_way(rate={"kind": "steps", "steps": steps, "lengthMs": 10})
        self.assertEqual([way.offer(PACKET, 0), way.offer(750, 0)], [31, 40 + 1])


class ChanceTest(unittest.TestCase):
    def test_the_share_of_lost_packets_is_that_of_the_link(self) -> None:
        way = one_way(lossShare=0.02)
        lost = sum(way.offer(PACKET, n * 2) is None for n in range(50_000))
        self.assertEqual(lost, way.lost)
        self.assertAlmostEqual(lost / 50_000, 0.02, delta=0.003)

    def test_jitter_has_its_deviation_and_its_memory_and_nothing_overtakes(self) -> None:
        way = one_way(delayMs=100, jitterMs=10)
        sent = [n * 20.0 for n in range(50_000)]
        arrivals = [way.offer(PACKET, at) or math.nan for at in sent]
        delays = [arrives - at - 1 for arrives, at in zip(arrivals, sent)]
        middle, deviation = mean(delays), pstdev(delays)
        self.assertAlmostEqual(middle, 100, delta=1)
        self.assertAlmostEqual(deviation, 10, delta=0.5)
        together = mean((one - middle) * (next_one - middle) for one, next_one in zip(delays, delays[1:]))
        self.assertAlmostEqual(together / deviation**2, math.exp(-20 / 50), delta=0.05)
        self.assertEqual(arrivals, sorted(arrivals))


class DefinitionTest(unittest.TestCase):
    def test_what_is_wrong_is_named(self) -> None:
        up = "up.rate"
        wrong = [
            ("{", "no JSON"),
            ("[]", "link: got \\[\\], expected an object"),
            ("{}", "outages: got nothing"),
            (link_json(rate={"kind": "fast"}), f'{up}.kind: got "fast", expected constant, steps or opportunities'),
            (link_json(rate={"kind": "constant"}), f"{up}.bitsPerSecond: got nothing"),
            (link_json(rate={"kind": "constant", "bitsPerSecond": 0}), f"{up}.bitsPerSecond: got 0"),
            (link_json(rate={"kind": "constant", "bitsPerSecond": True}), f"{up}.bitsPerSecond: got true"),
            (link_json(delayMs=-1), "up.delayMs: got -1, expected a number from 0"),
            (link_json(lossShare="1"), 'up.lossShare: got "1"'),
            (link_json(queueBytes=100), "up.queueBytes: got 100, expected a number from 1500"),
            (link_json(rate={"kind": "opportunities", "atMs": [], "lengthMs": 9}), f"{up}.atMs: got an empty list"),
            (link_json(rate={"kind": "opportunities", "atMs": [5, 4], "lengthMs": 9}), f"{up}.atMs: got 4.0 ms after"),
            (link_json(rate={"kind": "opportunities", "atMs": [5, "6"], "lengthMs": 9}), f'{up}.atMs: got "6"'),
            (link_json(rate={"kind": "steps", "steps": [], "lengthMs": 9}), f"{up}.steps: got \\[\\]"),
            (link_json(outages=[{"atMs": 1, "lastsMs": 5, "everyMs": 5}]), r"outages\[0\].everyMs: got 5.0"),
            (link_json(outages=[{}] * 17), "outages: got 17 of them, expected at most 16"),
            ('{"up": NaN}', "no JSON"),
            ("[" * 100_000, "no JSON"),
        ]
        for found, message in wrong:
            text = found if isinstance(found, str) else json.dumps(found)
            with self.subTest(message), self.assertRaisesRegex(LinkError, message):
                parse_link(text)

    def test_a_number_too_long_for_a_float_is_refused(self) -> None:
        with self.assertRaisesRegex(LinkError, "up.delayMs"):
            parse_link(json.dumps(link_json(delayMs=10**400)))


class LatenessTest(unittest.TestCase):
    def test_quantiles_are_bounds_and_the_early_count_as_in_time(self) -> None:
        lateness = Lateness()
        for late_ns in (-90_000, 5_000, 15_000, 123_000_000):
            lateness.add(late_ns)
        self.assertEqual([lateness.quantile_ms(share) for share in (0.5, 0.75, 1)], [0.01, 0.02, 123])


if __name__ == "__main__":
    unittest.main()
