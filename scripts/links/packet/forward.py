"""Carries packets between two TUN devices, each direction through its model, each packet at its moment."""

from __future__ import annotations

import os
import select
from array import array
from collections import deque
from time import monotonic_ns
from typing import Callable

from model import OneWay

MTU = 1500
READ_BYTES = 2048
"""More than an MTU: a read takes one packet, and cuts what is longer."""
MOST_READS = 32
"""Packets taken from one side before what is due is delivered."""
MOST_UNDERWAY_BYTES = 64 * 1024 * 1024
"""Bounds what travels where the rate has no limit; more is dropped."""
EARLY_NS = 100_000
"""What is due so soon is delivered. It is about what waking up takes, to read a packet and to deliver it, so that the error is
centred on zero without a processor that spins."""
LATE_BUCKET_NS = 10_000
LATE_BUCKETS = 5_000


class Lateness:
    """How late packets were delivered, against the model: a histogram in steps of 10 us up to 50 ms."""

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * (LATE_BUCKETS + 1)))
        self.most_ns = 0

    def add(self, late_ns: int) -> None:
        bucket = late_ns // LATE_BUCKET_NS
        self._counts[min(max(bucket, 0), LATE_BUCKETS)] += 1
        if late_ns > self.most_ns:
            self.most_ns = late_ns

    def count(self) -> int:
        return sum(self._counts)

    def quantile_ms(self, share: float) -> float:
        """The least bound, in ms, that so much of the packets were not later than; 0 without packets."""
        rest = share * self.count()
        for bucket, count in enumerate(self._counts):
            rest -= count
            if rest <= 0 and count > 0:
                bound_ns = (bucket + 1) * LATE_BUCKET_NS if bucket < LATE_BUCKETS else self.most_ns
                return min(bound_ns, self.most_ns) / 1e6
        return 0.0


class Way:
    """One direction between two TUN devices."""

    def __init__(self, source: int, target: int, lateness: Lateness) -> None:
        self.source = source
        self._target = target
        self._lateness = lateness
        self._model: OneWay | None = None
        self._origin_ns = 0
        # In the order of their moments: nothing overtakes.
        self._underway: deque[tuple[int, bytes]] = deque()
        self._underway_bytes = 0
        self._last_due_ns = 0
        self.taken = 0
        self.delivered = 0
        self._dropped_before = 0
        self._lost_before = 0
        self._overflowed = 0

    @property
    def dropped(self) -> int:
        return self._dropped_before + self._overflowed + (self._model.dropped if self._model else 0)

    @property
    def lost(self) -> int:
        return self._lost_before + (self._model.lost if self._model else 0)

    def restart(self, model: OneWay, origin_ns: int) -> None:
        """Goes on with another model and time. What is on its way keeps its moment, and nothing new overtakes it."""
        self._dropped_before, self._lost_before = self.dropped - self._overflowed, self.lost
        self._model, self._origin_ns = model, origin_ns

    def due_ns(self) -> int | None:
        return self._underway[0][0] if self._underway else None

    def counts(self) -> dict[str, int]:
        return {"taken": self.taken, "delivered": self.delivered, "dropped": self.dropped, "lost": self.lost}

    def take(self) -> None:
        """Reads what the source has sent."""
        model = self._model
        assert model is not None
        for _ in range(MOST_READS):
            try:
                packet = os.read(self.source, READ_BYTES)
            except BlockingIOError:
                return
            # There is no route for anything but IPv4.
            if packet[0] >> 4 != 4:
                continue
            self.taken += 1
            now_ms = (monotonic_ns() - self._origin_ns) / 1e6
            arrives_ms = model.offer(len(packet), now_ms)
            if arrives_ms is None:
                continue
            if self._underway_bytes + len(packet) > MOST_UNDERWAY_BYTES:
                self._overflowed += 1
                continue
            due_ns = max(self._last_due_ns, self._origin_ns + int(arrives_ms * 1e6))
            self._last_due_ns = due_ns
            self._underway.append((due_ns, packet))
            self._underway_bytes += len(packet)

    def deliver(self) -> None:
        """Writes what is due."""
        underway = self._underway
        while underway:
            due_ns, packet = underway[0]
            late_ns = monotonic_ns() - due_ns
            if late_ns < -EARLY_NS:
                return
            underway.popleft()
            self._underway_bytes -= len(packet)
            self._lateness.add(late_ns)
            try:
                os.write(self._target, packet)
            except OSError:
                # The other side is down or has no room: gone, as on any network.
                self._overflowed += 1
                continue
            self.delivered += 1


def forward(ways: tuple[Way, Way], woken_by: int, on_woken: Callable[[], bool]) -> None:
    """Carries packets until `on_woken`, called when `woken_by` can be read, says that it is over."""
    sources = [*(way.source for way in ways), woken_by]
    by_source = {way.source: way for way in ways}
    timeout_s: float | None = None
    while True:
        for readable in select.select(sources, (), (), timeout_s)[0]:
            way = by_source.get(readable)
            if way is not None:
                way.take()
            elif not on_woken():
                return
        for way in ways:
            way.deliver()
        moments = [due_ns for way in ways if (due_ns := way.due_ns()) is not None]
        if not moments:
            timeout_s = None
            continue
        wait_ns = min(moments) - monotonic_ns() - EARLY_NS
        timeout_s = wait_ns / 1e9 if wait_ns > 0 else 0.0
