"""Reads lines `{"link": ..., "offers": [[ms, bytes], ...]}`, and writes when each packet arrives by the model of the way up."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[4] / "scripts" / "links" / "packet"))

from definition import parse_link  # noqa: E402
from model import OneWay  # noqa: E402

for line in sys.stdin:
    found = json.loads(line)
    link = parse_link(json.dumps(found["link"]))
    way = OneWay(link.up, link.outages, Random(1))
    print(json.dumps([way.offer(size, at_ms) for at_ms, size in found["offers"]]))
