"""One direction of a link for packets, on any clock: a bottleneck with a queue that drops, then loss, then delay.

Rates, outages, delay and jitter are those of `scripts/links/one-way.ts`; times are milliseconds of link time. What is different
here is that a packet stays a packet: what finds the queue full or is lost does not arrive, and whoever sent it has to notice.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import deque
from random import Random
from typing import Protocol, Sequence

from definition import Constant, Direction, Link, LinkError, Opportunities, Outage, Rate, Steps

OPPORTUNITY_BYTES = 1500
JITTER_MEMORY_MS = 50.0
"""Delays so far apart have little to do with each other any more."""
ROUNDING_PERIODS = 1e-6
"""A moment that rounding has put just before the beginning of an outage counts as in it."""
MOST_IN_A_ROW = 100_000
MOST_IN_VAIN = 10_000_000


class OutageTimes:
    """Where the outages of a link are."""

    def __init__(self, outages: Sequence[Outage]) -> None:
        self._outages = [outage for outage in outages if outage.lasts_ms > 0]

    def end_ms(self, from_ms: float) -> float:
        """The first moment from `from_ms` on that is in no outage; LinkError when there is none."""
        at_ms = from_ms
        for _ in range(MOST_IN_A_ROW):
            next_ms = self._behind_one(at_ms)
            if next_ms == at_ms:
                return at_ms
            at_ms = next_ms
        raise LinkError(f"outages: got no gap from {from_ms:g} ms on, expected one to end")

    def next_ms(self, after_ms: float) -> float:
        """When the next outage begins after a moment that is in none; infinite when none does."""
        return min(
            (
                outage.at_ms if after_ms < outage.at_ms else _beginning(outage, after_ms, 1)
                for outage in self._outages
            ),
            default=math.inf,
        )

    def _behind_one(self, at_ms: float) -> float:
        for outage in self._outages:
            if at_ms < outage.at_ms:
                continue
            end_ms = _beginning(outage, at_ms, 0) + outage.lasts_ms
            if at_ms < end_ms:
                return end_ms
        return at_ms


def _beginning(outage: Outage, at_ms: float, later: int) -> float:
    """When the last outage before `at_ms` began, or the `later`-th after that one."""
    if outage.every_ms is None:
        return outage.at_ms if later == 0 else math.inf
    periods = math.floor((at_ms - outage.at_ms) / outage.every_ms + ROUNDING_PERIODS)
    return outage.at_ms + (periods + later) * outage.every_ms


class Bottleneck(Protocol):
    """Where packets leave one after the other."""

    def leave(self, wire_bytes: int, from_ms: float) -> float:
        """Takes a packet at `from_ms`, a moment that never goes back from call to call; when its last byte has left."""


def bottleneck_of(rate: Rate, outages: Sequence[Outage]) -> Bottleneck:
    times = OutageTimes(outages)
    if isinstance(rate, Constant):
        return ConstantBottleneck(rate, times)
    if isinstance(rate, Steps):
        return StepBottleneck(rate, times)
    return OpportunityBottleneck(rate, times)


class ConstantBottleneck:
    def __init__(self, rate: Constant, outages: OutageTimes) -> None:
        self._bits_per_ms = rate.bits_per_second / 1000
        self._outages = outages
        # Between the end of one outage and the beginning of the next, where the last packet left.
        self._until_ms = -math.inf

    def leave(self, wire_bytes: int, from_ms: float) -> float:
        bits = wire_bytes * 8.0
        at_ms = from_ms
        while True:
            if at_ms >= self._until_ms:
                at_ms = self._outages.end_ms(at_ms)
                self._until_ms = self._outages.next_ms(at_ms)
            left_ms = at_ms + bits / self._bits_per_ms
            if left_ms <= self._until_ms:
                return left_ms
            bits -= (self._until_ms - at_ms) * self._bits_per_ms
            at_ms = self._until_ms


class StepBottleneck:
    def __init__(self, rate: Steps, outages: OutageTimes) -> None:
        self._ends = _Cycle(array("d", [*rate.from_ms[1:], rate.length_ms]), rate.length_ms)
        self._bits_per_ms = array("d", (bits / 1000 for bits in rate.bits_per_second))
        self._outages = outages

    def leave(self, wire_bytes: int, from_ms: float) -> float:
        bits = wire_bytes * 8.0
        at_ms = self._outages.end_ms(from_ms)
        next_outage_ms = self._outages.next_ms(at_ms)
        in_vain = 0
        while in_vain < MOST_IN_VAIN:
            in_vain += 1
            # The end of a step belongs to the next one.
            self._ends.seek_after(at_ms)
            bits_per_ms = self._bits_per_ms[self._ends.index]
            until_ms = min(self._ends.at_ms, next_outage_ms)
            left_ms = math.inf if bits_per_ms == 0 else at_ms + bits / bits_per_ms
            if left_ms <= until_ms:
                return left_ms
            taken = (until_ms - at_ms) * bits_per_ms
            if taken > 0:
                in_vain = 0
            bits -= taken
            at_ms = until_ms
            if at_ms >= next_outage_ms:
                at_ms = self._outages.end_ms(at_ms)
                next_outage_ms = self._outages.next_ms(at_ms)
        raise _never_up(from_ms)


class OpportunityBottleneck:
    """Mahimahi's: what of an opportunity no packet waits for is gone; a packet may take its bytes from several."""

    def __init__(self, rate: Opportunities, outages: OutageTimes) -> None:
        self._cycle = _Cycle(rate.at_ms, rate.length_ms)
        self._outages = outages
        # What the opportunity at the cursor can still take.
        self._left_bytes = OPPORTUNITY_BYTES

    def leave(self, wire_bytes: int, from_ms: float) -> float:
        cycle = self._cycle
        waiting = wire_bytes
        up_from_ms = self._outages.end_ms(from_ms)
        next_outage_ms = self._outages.next_ms(up_from_ms)
        self._waste_until(up_from_ms)
        in_vain = 0
        while in_vain < MOST_IN_VAIN:
            in_vain += 1
            if cycle.at_ms >= next_outage_ms:
                up_ms = self._outages.end_ms(cycle.at_ms)
                next_outage_ms = self._outages.next_ms(up_ms)
                self._waste_until(up_ms)
                continue
            if waiting <= self._left_bytes:
                self._left_bytes -= waiting
                return cycle.at_ms
            waiting -= self._left_bytes
            in_vain = 0
            cycle.next()
            self._left_bytes = OPPORTUNITY_BYTES
        raise _never_up(from_ms)

    def _waste_until(self, from_ms: float) -> None:
        if self._cycle.at_ms >= from_ms:
            return
        self._cycle.seek(from_ms)
        self._left_bytes = OPPORTUNITY_BYTES


class _Cycle:
    """A cursor on a list of moments that begins again at `length_ms`, for ever; it only moves on."""

    def __init__(self, moments: array[float], length_ms: float) -> None:
        self._moments = moments
        self._length_ms = length_ms
        self._turn = 0
        self._start_ms = 0.0
        self.index = 0
        self.at_ms = moments[0]

    def next(self) -> None:
        self.index += 1
        if self.index == len(self._moments):
            self._begin(self._turn + 1)
        self.at_ms = self._start_ms + self._moments[self.index]

    def seek(self, from_ms: float) -> None:
        """Moves on to the first moment at or after `from_ms`."""
        if from_ms >= self._start_ms + 2 * self._length_ms:
            # One turn early: rounding may have put the end of a turn into the next.
            self._begin(math.floor(from_ms / self._length_ms) - 1)
            self.at_ms = self._start_ms + self._moments[0]
        while self.at_ms < from_ms:
            last = len(self._moments) - 1
            self.index = bisect_left(self._moments, from_ms - self._start_ms, self.index, last)
            self.at_ms = self._start_ms + self._moments[self.index]
            if self.at_ms < from_ms:
                self.next()

    def seek_after(self, before_ms: float) -> None:
        """Moves on to the first moment after `before_ms`."""
        self.seek(before_ms)
        while self.at_ms <= before_ms:
            self.next()

    def _begin(self, turn: int) -> None:
        self._turn = turn
        self._start_ms = turn * self._length_ms
        self.index = 0


def _never_up(from_ms: float) -> LinkError:
    return LinkError(f"link: got one that takes nothing from {from_ms:g} ms on, expected its outages to leave some of its rate")


class OneWay:
    """One direction of a link for packets."""

    def __init__(self, direction: Direction, outages: Sequence[Outage], random: Random, from_ms: float = 0) -> None:
        """`random` is drawn from for loss and jitter; nothing leaves before the link time `from_ms`."""
        self._bottleneck = bottleneck_of(direction.rate, outages)
        self._direction = direction
        self._random = random
        self._left_ms = from_ms
        self._arrived_ms = from_ms
        # When each packet that has not left will have, and its bytes.
        self._queue: deque[tuple[float, int]] = deque()
        self._waiting_bytes = 0
        self._deviation = 0.0
        self._deviation_ms = -math.inf
        self._packets_to_loss = self._draw_packets_to_loss()
        self.dropped = 0
        """Packets that found the queue full."""
        self.lost = 0

    def offer(self, wire_bytes: int, now_ms: float) -> float | None:
        """Takes a packet of so many bytes with its headers, at a link time that never goes back.

        When it arrives, never before an earlier packet; None when it does not.
        """
        if self.waiting_bytes(now_ms) + wire_bytes > self._direction.queue_bytes:
            self.dropped += 1
            return None
        left_ms = self._bottleneck.leave(wire_bytes, max(now_ms, self._left_ms))
        self._left_ms = left_ms
        if left_ms > now_ms:
            self._queue.append((left_ms, wire_bytes))
            self._waiting_bytes += wire_bytes
        # The radio loses it: it has had its place in the queue and its time.
        if self._packets_to_loss == 0:
            self._packets_to_loss = self._draw_packets_to_loss()
            self.lost += 1
            return None
        self._packets_to_loss -= 1
        self._arrived_ms = max(self._arrived_ms, left_ms + self._delay_ms(left_ms))
        return self._arrived_ms

    def waiting_bytes(self, now_ms: float) -> int:
        """Bytes in the queue; a packet counts until its last byte has left."""
        queue = self._queue
        while queue and queue[0][0] <= now_ms:
            self._waiting_bytes -= queue.popleft()[1]
        return self._waiting_bytes

    def _draw_packets_to_loss(self) -> float:
        """How many packets pass before the next one is lost: geometric."""
        share = self._direction.loss_share
        if share == 0:
            return math.inf
        return math.floor(math.log(1 - self._random.random()) / math.log1p(-share))

    def _delay_ms(self, at_ms: float) -> float:
        """An Ornstein-Uhlenbeck process around the delay: normal at each moment, and slow to change."""
        direction = self._direction
        if direction.jitter_ms == 0:
            return direction.delay_ms
        if at_ms > self._deviation_ms:
            kept = math.exp((self._deviation_ms - at_ms) / JITTER_MEMORY_MS)
            drawn = self._random.gauss(0.0, 1.0)
            self._deviation = kept * self._deviation + math.sqrt(1 - kept * kept) * drawn
            self._deviation_ms = at_ms
        return max(0.0, direction.delay_ms + direction.jitter_ms * self._deviation)


def refuse_closed(link: Link) -> None:
    """Raises LinkError for outages that together, or with a trace's gaps, leave no time to send: now, not in the middle of a run."""
    all_begun_ms = max((outage.at_ms for outage in link.outages), default=0.0)
    for direction in (link.up, link.down):
        bottleneck_of(direction.rate, link.outages).leave(1, all_begun_ms)
