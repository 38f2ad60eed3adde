"""Starts the Triton Inference Server that the wheel nvidia-pytriton brings, on a model repository.

    python serve.py REPOSITORY PORT

The wheel has the server with its HTTP front end, its scheduler and its Python backend, and no ONNX Runtime backend: the one
beside this file stands in for it. Everything else is the server's own. Ends with the server; SIGTERM stops both.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile

import pytriton

server = pathlib.Path(pytriton.__file__).parent / "tritonserver"
packages = pathlib.Path(sysconfig.get_path("purelib"))
version = f"{sys.version_info.major}.{sys.version_info.minor}"


def backends(folder: pathlib.Path) -> None:
    stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
    shutil.copytree(server / "backends" / "python", folder / "python")
    shutil.copy(stub, folder / "python")
    shutil.copytree(pathlib.Path(__file__).parent / "onnxruntime", folder / "onnxruntime")


def environment() -> dict[str, str]:
    libraries = [
        server / "external_libs",
        packages / "nvidia_pytriton.libs",
        sysconfig.get_config_var("LIBDIR"),
    ]
    return {
        **os.environ,
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        # The backends' Python is the one of the installation and knows nothing of the virtual environment.
        "ONNXRUNTIME_PACKAGES": str(packages),
    }


def main(repository: str, port: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        backends(pathlib.Path(folder))
        command = [
            str(server / "bin" / "tritonserver"),
            *["--model-repository", repository, "--backend-directory", folder],
            *["--http-address", "127.0.0.1", "--http-port", port, "--http-thread-count", "2"],
            *["--allow-grpc", "false", "--allow-metrics", "false"],
        ]
        child = subprocess.Popen(command, env=environment())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: child.terminate())
        return child.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
