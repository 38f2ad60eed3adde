"""Starts MLServer on an exported model repository.

    python serve.py REPOSITORY PORT

Beside PORT it takes PORT + 1 for gRPC and PORT + 2 for metrics. SIGTERM stops it.
"""

import json
import os
import pathlib
import sys
import tempfile

import onnxruntime

here = pathlib.Path(__file__).parent
datatypes = {"tensor(uint8)": "UINT8", "tensor(float)": "FP32"}


def tensors(found) -> list[dict]:
    """What the ONNX file itself says of its tensors; the rows have no fixed number."""
    return [
        {
            "name": each.name,
            "datatype": datatypes[each.type],
            "shape": [-1 if isinstance(size, str) else size for size in each.shape],
        }
        for each in found
    ]


def describe(model: pathlib.Path, folder: pathlib.Path) -> None:
    file = model / "1" / "model.onnx"
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    settings = {
        "name": model.name,
        "implementation": "onnx_model.OnnxModel",
        "platform": "onnxruntime_onnx",
        "inputs": tensors(session.get_inputs()),
        "outputs": tensors(session.get_outputs()),
        "parameters": {"uri": str(file.resolve()), "version": "1"},
    }
    (folder / model.name).mkdir()
    (folder / model.name / "model-settings.json").write_text(json.dumps(settings))


def main(repository: str, port: str) -> None:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mlserver-"))
    for model in sorted(pathlib.Path(repository).iterdir()):
        if (model / "1" / "model.onnx").exists():
            describe(model, folder)
    number = int(port)
    settings = {
        "host": "127.0.0.1",
        "http_port": number,
        "grpc_port": number + 1,
        "metrics_port": number + 2,
        # In this process: the models are small.
        "parallel_workers": 0,
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    os.environ["PYTHONPATH"] = str(here)
    command = pathlib.Path(sys.executable).parent / "mlserver"
    os.execv(command, [str(command), "start", str(folder)])


if __name__ == "__main__":
    main(*sys.argv[1:])
