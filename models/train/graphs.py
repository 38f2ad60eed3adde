"""ONNX graphs: written, checked, and their weights stored in half the bytes where that is wanted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from .files import Entry, file_entry
from .network import DeployedWhole, Network, count_macs, count_parameters, deployed

OPSET = 17
MOST_IR = 9
HALF_FROM = 256  # values from which an initialiser is worth a node of its own

Shape = tuple[int, ...]


class ExportError(Exception):
    """The exported graphs do not do what the network does."""


@dataclass(frozen=True)
class GraphWriter:
    """Writes the graphs of a bundle into `folder`.

    With `compact`, large weights are stored as float16 behind a cast back, which the runtime folds when
    it loads the graph. They have to be float16 values beforehand, see `round_to_half`.
    """

    folder: Path
    compact: bool

    def segments(self, network: Network, image: Shape) -> list[Entry]:
        """Writes s0.onnx and so on for images of shape H, W, C; returns their manifest entries."""
        entries = []
        example, shape, name = _rows(2, image), list(image), "image"
        for segment in deployed(network):
            with torch.no_grad():
                results = segment(example)
            # A graph's output needs another name than its input, so only the first cut's is plain.
            codes = "codes" if name == "image" else f"codes{len(entries) + 1}"
            outputs = ["logits", codes][: len(results)]
            path = self._write(segment.segment.name, segment, example, name, outputs)
            entry = {
                "name": segment.segment.name,
                **file_entry(path),
                "input": {"name": name, "dtype": "uint8", "shape": shape},
                "logits": {
                    "name": "logits",
                    "dtype": "float32",
                    "shape": list(results[0].shape[1:]),
                },
            }
            one = example[:1]
            if len(results) == 2:
                shape, name, example = list(results[1].shape[1:]), codes, results[1]
                entry["codes"] = {"name": name, "dtype": "uint8", "shape": shape}
            entry["macs"] = count_macs(segment, one)
            entry["parameters"] = count_parameters(segment.segment)
            entries.append(entry)
        return entries

    def whole(self, network: Network, image: Shape) -> Entry:
        """Writes whole.onnx; returns its manifest entry."""
        exits = [f"logits{number}" for number in range(len(network.segments))]
        path = self._write("whole", DeployedWhole(network), _rows(2, image), "image", exits)
        return {**file_entry(path), "logits": exits}

    def baseline(self, network: nn.Module, image: Shape) -> Entry:
        """Writes baseline.onnx, a network of one exit; returns its manifest entry."""
        path = self._write("baseline", network, _rows(2, image), "image", ["logits"])
        return {
            **file_entry(path),
            "macs": count_macs(network, _rows(1, image)),
            "parameters": count_parameters(network),
            "logits": "logits",
        }

    def _write(
        self, name: str, module: nn.Module, example: Tensor, input_name: str, outputs: list[str]
    ) -> Path:
        """Writes and checks `name`.onnx, its batch dimension N dynamic."""
        path = self.folder / f"{name}.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(),
                (example,),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=[input_name],
                output_names=outputs,
                dynamic_axes={tensor: {0: "N"} for tensor in [input_name, *outputs]},
            )
        model = onnx.load(path)
        if model.ir_version > MOST_IR:
            raise ExportError(
                f"{path.name} has IR version {model.ir_version}, expected at most {MOST_IR}"
            )
        model.doc_string = ""
        for node in model.graph.node:
            node.doc_string = ""
        if self.compact:
            store_as_half(model.graph)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)
        return path


def store_as_half(graph: onnx.GraphProto) -> None:
    """Turns every large float32 initialiser into a float16 one and a cast that gives the old name.

    Raises ExportError for one whose values float16 does not hold.
    """
    casts = []
    for initialiser in graph.initializer:
        if initialiser.data_type != TensorProto.FLOAT or np.prod(initialiser.dims) < HALF_FROM:
            continue
        name, values = initialiser.name, numpy_helper.to_array(initialiser)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            raise ExportError(f"{name} holds values that float16 does not")
        initialiser.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [initialiser.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _rows(count: int, image: Shape) -> Tensor:
    return torch.zeros(count, *image, dtype=torch.uint8)
