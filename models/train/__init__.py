"""Training of Offramp's bundles: BranchyNet with a quantised bottleneck at every cut."""

import os

# Waiting threads that spin make training many times slower once anything else wants the cores.
# OpenMP reads this when PyTorch is first imported, so it has to be said before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Read once, when onnxruntime loads: its usage reports stay off unless asked for.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
