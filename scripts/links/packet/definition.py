"""A link as `offramp emulate --print` writes it: read, checked, and refused in words that name the field."""

from __future__ import annotations

import json
import math
from array import array
from dataclasses import dataclass
from typing import Any, Union

MOST_OUTAGES = 16
MOST_MS = 1e9
MOST_JITTER_MS = 10_000
MOST_LOSS_SHARE = 0.5
LEAST_QUEUE_BYTES = 1500


class LinkError(ValueError):
    """What a link's JSON has, and what was expected there instead."""


@dataclass(frozen=True)
class Constant:
    """Always the same rate, in bit/s; infinite where packets take no time."""

    bits_per_second: float


@dataclass(frozen=True)
class Steps:
    """A rate that changes: bit/s from each moment of `from_ms` on, the first of them 0; begins again at `length_ms`."""

    from_ms: array[float]
    bits_per_second: array[float]
    length_ms: float


@dataclass(frozen=True)
class Opportunities:
    """Moments at which 1500 bytes may leave, ascending; begin again at `length_ms`."""

    at_ms: array[float]
    length_ms: float


Rate = Union[Constant, Steps, Opportunities]


@dataclass(frozen=True)
class Direction:
    rate: Rate
    delay_ms: float
    jitter_ms: float
    loss_share: float
    queue_bytes: float


@dataclass(frozen=True)
class Outage:
    at_ms: float
    lasts_ms: float
    every_ms: float | None = None


@dataclass(frozen=True)
class Link:
    """Both directions as the device sees them, and when nothing leaves in either."""

    name: str
    up: Direction
    down: Direction
    outages: tuple[Outage, ...]


def parse_link(text: str) -> Link:
    """Reads a link's JSON. Raises LinkError, naming the field, for anything that is not a link that lets packets pass."""
    try:
        found = json.loads(text, parse_constant=lambda word: _no_constant(word))
    except (ValueError, RecursionError) as error:
        raise LinkError(f"link: got no JSON ({error}), expected what `offramp emulate --print` writes") from None
    link = _object(found, "link")
    outages = _list(link, "outages", "outages", MOST_OUTAGES)
    return Link(
        name=str(link.get("name", "")),
        up=_direction(link, "up"),
        down=_direction(link, "down"),
        outages=tuple(_outage(outage, f"outages[{index}]") for index, outage in enumerate(outages)),
    )


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is no number in JSON")


def _direction(link: dict[str, Any], name: str) -> Direction:
    found = _object(link.get(name), name)
    return Direction(
        rate=_rate(_object(found.get("rate"), f"{name}.rate"), f"{name}.rate"),
        delay_ms=_number(found, "delayMs", name, 0, MOST_MS),
        jitter_ms=_number(found, "jitterMs", name, 0, MOST_JITTER_MS),
        loss_share=_number(found, "lossShare", name, 0, MOST_LOSS_SHARE),
        queue_bytes=_number(found, "queueBytes", name, LEAST_QUEUE_BYTES, MOST_MS),
    )


def _rate(rate: dict[str, Any], where: str) -> Rate:
    kind = rate.get("kind")
    if kind == "constant":
        if rate.get("bitsPerSecond", 0) is None:
            return Constant(math.inf)
        bits_per_second = _number(rate, "bitsPerSecond", where, 0, math.inf)
        _expect(bits_per_second > 0, f"{where}.bitsPerSecond", 0, "more than 0, or null for no limit")
        return Constant(bits_per_second)
    if kind == "steps":
        return _steps(rate, where)
    if kind == "opportunities":
        return _opportunities(rate, where)
    raise LinkError(f"{where}.kind: got {_shown(kind)}, expected constant, steps or opportunities")


def _steps(rate: dict[str, Any], where: str) -> Steps:
    steps = [_object(step, f"{where}.steps") for step in _list(rate, "steps", f"{where}.steps")]
    length_ms = _length(rate, where)
    from_ms = array("d", (_number(step, "fromMs", f"{where}.steps", 0, length_ms) for step in steps))
    rates = array("d", (_number(step, "bitsPerSecond", f"{where}.steps", 0, math.inf) for step in steps))
    _expect(len(steps) > 0 and from_ms[0] == 0, f"{where}.steps", _shown(steps[:1]), "a first step at 0 ms")
    _expect_ascending(from_ms, f"{where}.steps")
    moves = any(
        bits > 0 and until > start for start, until, bits in zip(from_ms, [*from_ms[1:], length_ms], rates)
    )
    _expect(moves, f"{where}.steps", "nothing but 0 bit/s", "a step that lets packets pass")
    return Steps(from_ms, rates, length_ms)


def _opportunities(rate: dict[str, Any], where: str) -> Opportunities:
    found = _list(rate, "atMs", f"{where}.atMs")
    length_ms = _length(rate, where)
    for moment in found:
        _expect(_is_number(moment) and 0 <= moment <= length_ms, f"{where}.atMs", _shown(moment), f"0 to {length_ms}")
    at_ms = array("d", found)
    _expect(len(at_ms) > 0, f"{where}.atMs", "an empty list", "moments")
    _expect_ascending(at_ms, f"{where}.atMs")
    return Opportunities(at_ms, length_ms)


def _outage(found: Any, where: str) -> Outage:
    outage = _object(found, where)
    at_ms = _number(outage, "atMs", where, 0, MOST_MS)
    lasts_ms = _number(outage, "lastsMs", where, 0, MOST_MS)
    if outage.get("everyMs") is None:
        return Outage(at_ms, lasts_ms)
    every_ms = _number(outage, "everyMs", where, 1, MOST_MS)
    _expect(every_ms > lasts_ms, f"{where}.everyMs", every_ms, f"more than the {lasts_ms} ms that it lasts")
    return Outage(at_ms, lasts_ms, every_ms)


def _length(rate: dict[str, Any], where: str) -> float:
    length_ms = _number(rate, "lengthMs", where, 0, MOST_MS)
    _expect(length_ms > 0, f"{where}.lengthMs", length_ms, "more than 0")
    return length_ms


def _expect_ascending(moments: array[float], where: str) -> None:
    for before, moment in zip(moments, moments[1:]):
        _expect(before <= moment, where, f"{moment} ms after {before} ms", "moments in ascending order")


def _object(found: Any, where: str) -> dict[str, Any]:
    _expect(isinstance(found, dict), where, _shown(found), "an object")
    return found


def _list(holder: dict[str, Any], key: str, where: str, most: float = math.inf) -> list[Any]:
    found = holder.get(key)
    _expect(isinstance(found, list), where, _shown(found), "a list")
    _expect(len(found) <= most, where, f"{len(found)} of them", f"at most {most}")
    return found


def _number(holder: dict[str, Any], key: str, where: str, least: float, most: float) -> float:
    found = holder.get(key)
    fits = _is_number(found) and least <= found <= most
    _expect(fits, f"{where}.{key}", _shown(found), f"a number from {least:g} to {most:g}")
    return float(found)


def _is_number(found: Any) -> bool:
    # A bool is an int to Python; 1e400 is infinite, and a whole number may be too long for a float.
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return False
    return abs(found) <= 1.7e308


def _expect(holds: bool, where: str, got: Any, expected: str) -> None:
    if not holds:
        raise LinkError(f"{where}: got {got}, expected {expected}")


def _shown(found: Any) -> str:
    if found is None:
        return "nothing"
    text = json.dumps(found)
    return text if len(text) <= 60 else f"{text[:60]}..."
