"""The inference unit: a process that holds one model and answers one image after another.

Run as `python -m relook.fleet.unit --artifact DIR --fd N --parent PID --threads N --device NAME`, with its end of a
socket pair as descriptor N. It ends at the end of that socket, and dies with its parent.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from relook import processes
from relook.fleet.frames import (
    HEADER,
    FrameError,
    FrameKind,
    encode,
    parse_head,
    parse_min_confidence,
    parse_start,
    split_labels,
    split_prediction,
)
from relook.vision.label_answer import told
from relook.vision.labelled import LabelPrediction
from relook.vision.samples import ImageError
from relook.vision.serving import AnyPrediction, load

Predict = Callable[[bytes], AnyPrediction]
_OOM_SCORE = 300
"""Above the server's, below a training's: whose memory goes first when there is none left."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    link = attach(options.fd, options.parent)
    if link is None:
        return 1
    began = time.monotonic()
    from relook.vision.artifact import ArtifactError  # the runtime takes its time: only once we know our parent
    from relook.vision.engine import Device, DeviceError

    try:
        predictor = load(options.artifact, options.threads, Device(options.device))
    except (ArtifactError, DeviceError) as error:
        print(f"the model cannot be loaded: {error}", file=sys.stderr)
        return 1
    processes.return_memory()
    serve(link, predictor.predict, time.monotonic() - began, predictor.engine.name)
    return 0


def attach(fd: int, parent: int) -> socket.socket | None:
    """Tie this process to the server `parent` and take over the socket it passed; None if the server has gone."""
    try:
        processes.die_with(parent)
    except processes.ParentGone as error:
        print(error, file=sys.stderr)
        return None
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server decides what it means
    processes.volunteer_for_oom(_OOM_SCORE)
    return socket.socket(fileno=fd)


def serve(link: socket.socket, predict: Predict, load_seconds: float = 0.0, engine: str = "") -> None:
    """Say READY, and answer one request after another until the server closes its end.

    ImageError is the image's fault and any other exception the model's over this image: both are answered, and the
    unit goes on. FrameError if the server speaks another protocol.
    """
    link.sendall(encode(FrameKind.READY, 0, {"seconds": load_seconds, "engine": engine}))
    while True:
        header = _receive(link, HEADER.size)
        if header is None:
            return
        start = parse_start(header)
        if start.kind is not FrameKind.PREDICT:
            raise FrameError(f"an inference unit takes PREDICT frames, not {start.kind.name}")
        head = _receive(link, start.head)
        image = _receive(link, start.body)
        if head is None or image is None:
            return
        _answer(link, start.request, predict, image, parse_min_confidence(parse_head(head)))


def _answer(link: socket.socket, request: int, predict: Predict, image: bytes, min_confidence: float | None) -> None:
    body = b""
    try:
        prediction = predict(image)
        if isinstance(prediction, LabelPrediction):
            # A detector finds a hundred faint boxes in a picture, and sending them takes longer than leaving them out.
            head, body = split_labels(told(prediction, min_confidence))
            reply = encode(FrameKind.LABELS, request, head, len(body))
        else:
            head, body = split_prediction(prediction)
            reply = encode(FrameKind.PREDICTION, request, head, len(body))
    except ImageError as error:
        reply = encode(FrameKind.BAD_INPUT, request, {"message": str(error), "fault": error.fault.value})
    except Exception as error:
        traceback.print_exc()
        reply = encode(FrameKind.FAILED, request, {"message": f"{type(error).__name__}: {error}"})
    link.sendall(reply)
    link.sendall(body)


def _receive(link: socket.socket, size: int) -> bytes | None:
    """Exactly `size` bytes; None if the server closed its end before."""
    data = link.recv(size, socket.MSG_WAITALL) if size else b""
    if len(data) == size:
        return data  # the usual case: one system call, one copy
    parts = [data]
    while (missing := size - sum(map(len, parts))) > 0:
        parts.append(link.recv(missing, socket.MSG_WAITALL))
        if not parts[-1]:
            return None
    return b"".join(parts)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="relook.fleet.unit", description="One inference unit of a hosted model.")
    parser.add_argument("--artifact", type=Path, required=True, help="folder with model.onnx and model.json")
    parser.add_argument("--fd", type=int, required=True, help="the unit's end of the socket pair")
    parser.add_argument("--parent", type=int, required=True, help="process id of the server")
    parser.add_argument("--threads", type=int, default=1, help="threads of the inference runtime")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="cpu", help="where to compute")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
