"""A link between a network namespace, where a device's processes run, and the machine's own network, packet by packet.

    offramp emulate --link lte --print > lte.json
    python3 packet_link.py --namespace offramp-device --link lte.json

prints one line of JSON once packets pass, and ends by SIGTERM, SIGINT, SIGHUP or, with --while-stdin, with what is at the
other end of its stdin. SIGUSR1 begins the link's time anew, and prints a line when that is done. Needs root, Linux, and `ip`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import select
import signal
import sys
from contextlib import ExitStack
from dataclasses import asdict
from random import Random
from time import monotonic_ns
from typing import Any

from definition import Link, LinkError, parse_link
from forward import Lateness, Way, forward
from model import OneWay, refuse_closed
from network import (
    Guard,
    NetworkError,
    choose_places,
    congestion_control,
    hold_name,
    keep_free_server,
    lacking,
    open_tun,
    refuse_congestion,
    set_up_device,
    set_up_server,
)

REFUSED_STATUS = 2
LACKING_STATUS = 3
MOST_LINK_BYTES = 256 * 1024 * 1024
LEAST_REAL_TIME_PRIORITY = 1
MOST_NICE = -20


class Lacking(RuntimeError):
    """What this machine has not got."""


def main() -> int:
    options = _options()
    try:
        if options.check:
            _refuse_lacking()
        elif options.keep_address:
            _keep_address(options)
        else:
            _run(options)
    except Lacking as error:
        print(error, file=sys.stderr)
        return LACKING_STATUS
    except (LinkError, NetworkError) as error:
        print(error, file=sys.stderr)
        return REFUSED_STATUS
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Emulates a link between a network namespace and this machine.")
    parser.add_argument("--link", default="-", help="file with the link's JSON; - for a line on stdin")
    parser.add_argument("--namespace", default="offramp-device", help="of the device; its name begins with offramp-")
    parser.add_argument("--server", help="IPv4 address of this side; a free one, 10.213.N.1, unless said")
    parser.add_argument("--device", help="IPv4 address in the namespace; beside the server's unless said")
    parser.add_argument("--congestion", help="TCP's congestion control over the link; the kernel's own unless said")
    parser.add_argument("--seed", type=int, default=1, help="of jitter and losses")
    parser.add_argument("--start-at-ms", type=float, default=0.0, help="where in the link's time to begin")
    parser.add_argument("--while-stdin", action="store_true", help="end when stdin does")
    parser.add_argument(
        "--keep-address", action="store_true", help="no link: only find an address for a server that several links lead to, and keep it"
    )
    parser.add_argument("--check", action="store_true", help="only say what is lacking here")
    options = parser.parse_args()
    if options.device is not None and options.server is None:
        parser.error("--device needs --server")
    return options


def _refuse_lacking() -> None:
    why = lacking()
    if why is not None:
        raise Lacking(f"packet link: {why}")


def _keep_address(options: argparse.Namespace) -> None:
    _refuse_lacking()
    with ExitStack() as stack:
        signals = stack.enter_context(Signals(options.while_stdin))
        _say({"server": keep_free_server(stack)})
        while not signals.ended():
            select.select([signals.woken_by], (), ())


def _run(options: argparse.Namespace) -> None:
    link = parse_link(_link_text(options.link))
    refuse_closed(link)
    _refuse_lacking()
    if options.congestion is not None:
        refuse_congestion(options.congestion)
    with ExitStack() as stack:
        signals = stack.enter_context(Signals(options.while_stdin))
        stack.enter_context(hold_name(options.namespace))
        # From here on it has the name too: nobody else takes it before the namespace is gone.
        guard = Guard(options.namespace)
        stack.callback(guard.release)
        places = choose_places(options.namespace, options.server, options.device, stack)
        server_tun, server_interface = open_tun()
        stack.callback(os.close, server_tun)
        device_tun, device_interface = open_tun()
        stack.callback(os.close, device_tun)
        set_up_device(device_interface, places, options.congestion)
        set_up_server(server_interface, places, options.congestion)
        emulation = Emulation(link, options, device_tun, server_tun)
        congestion = options.congestion or congestion_control()
        _say({**asdict(places), "congestion": congestion, "link": link.name})
        emulation.run(signals)
        _say(emulation.summary())


class Emulation:
    """A link at work between two TUN devices."""

    def __init__(self, link: Link, options: argparse.Namespace, device_tun: int, server_tun: int) -> None:
        self._link = link
        self._start_at_ms: float = options.start_at_ms
        self._random = Random(options.seed)
        self._lateness = Lateness()
        self._up = Way(device_tun, server_tun, self._lateness)
        self._down = Way(server_tun, device_tun, self._lateness)
        self._begin()

    def run(self, signals: Signals) -> None:
        _come_first()
        _sleep_exactly()
        # Nothing here is in a circle, and a collection would hold packets up.
        gc.disable()

        def on_woken() -> bool:
            if signals.restarted():
                self._begin()
                _say({"restarted": True})
            return not signals.ended()

        forward((self._up, self._down), signals.woken_by, on_woken)

    def summary(self) -> dict[str, Any]:
        """What passed, and how much later than the model says."""
        late = self._lateness
        late_ms = {"p50": late.quantile_ms(0.5), "p99": late.quantile_ms(0.99), "max": late.most_ns / 1e6}
        return {"up": self._up.counts(), "down": self._down.counts(), "lateMs": late_ms}

    def _begin(self) -> None:
        """Link time is `start_at_ms` from now on."""
        origin_ns = monotonic_ns() - int(self._start_at_ms * 1e6)
        for way, direction in ((self._up, self._link.up), (self._down, self._link.down)):
            # Random numbers of its own, so that what one direction carries does not change the other's.
            random = Random(self._random.getrandbits(64))
            way.restart(OneWay(direction, self._link.outages, random, self._start_at_ms), origin_ns)


class Signals:
    """What this process is told, as a file that can be waited for."""

    def __init__(self, while_stdin: bool) -> None:
        self._while_stdin = while_stdin
        self._ended = False
        self._restarted = False
        self._poll = select.epoll()
        self.woken_by = self._poll.fileno()

    def __enter__(self) -> Signals:
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        # A terminal that is closed says SIGHUP.
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(name, self._on_end)
        signal.signal(signal.SIGUSR1, self._on_restart)
        self._poll.register(self._reading, select.EPOLLIN)
        if self._while_stdin:
            self._poll.register(sys.stdin.fileno(), select.EPOLLIN | select.EPOLLHUP)
        return self

    def __exit__(self, *_: object) -> None:
        self._poll.close()

    def ended(self) -> bool:
        for ready, _ in self._poll.poll(0):
            read = os.read(ready, 4096)
            self._ended = self._ended or (ready != self._reading and read == b"")
        return self._ended

    def restarted(self) -> bool:
        """Whether to begin anew; asked once for each time."""
        restarted, self._restarted = self._restarted, False
        return restarted

    def _on_end(self, *_: object) -> None:
        self._ended = True

    def _on_restart(self, *_: object) -> None:
        self._restarted = True


def _come_first() -> None:
    """What is due is delivered before others compute: on busy processors it is late by tens of milliseconds otherwise."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(LEAST_REAL_TIME_PRIORITY))
    except OSError:
        os.setpriority(os.PRIO_PROCESS, 0, MOST_NICE)


def _sleep_exactly() -> None:
    """Linux lets a sleep end up to 50 us late so that several processors' wake-ups fall together."""
    try:
        with open("/proc/self/timerslack_ns", "w", encoding="ascii") as file:
            file.write("1")
    except OSError:
        # Then packets are so much later; the summary tells.
        pass


def _link_text(file: str) -> str:
    try:
        with ExitStack() as stack:
            source = sys.stdin.buffer if file == "-" else stack.enter_context(open(file, "rb"))
            text = source.readline(MOST_LINK_BYTES) if file == "-" else source.read(MOST_LINK_BYTES)
        if len(text) == MOST_LINK_BYTES:
            raise LinkError(f"link: got more than {MOST_LINK_BYTES} bytes, expected fewer")
        return text.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise LinkError(f"link: got nothing to read from {file} ({error}), expected JSON") from None


def _say(what: dict[str, Any]) -> None:
    try:
        print(json.dumps(what), flush=True)
    except BrokenPipeError:
        # Nobody listens any more. The rest is told by SIGTERM or the end of stdin.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
