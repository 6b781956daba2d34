"""A unit that does what its image says; it speaks the real protocol through `relook.fleet.unit.serve`."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from pathlib import Path

from relook.fleet.unit import attach, serve
from relook.vision.labelled import FoundLabel, LabelPrediction, Rectangle
from relook.vision.samples import ImageError, ImageTooLargeError, Prediction, Region
from relook.vision.serving import AnyPrediction

FOUND = (
    FoundLabel("bolt", 0.75, 0.5, Rectangle(1.5, 2, 3, 4)),
    FoundLabel("bolt", 0.625, 0.5, Rectangle(7, 2, 3, 4)),
    FoundLabel("nut", 0.25, 0.5, Rectangle(1, 9, 3, 4)),
)


def predict(folder: Path, image: bytes) -> AnyPrediction:
    """The image is a verb and an argument; anything else is answered with its own length."""
    verb, _, rest = image[:200].partition(b" ")
    match verb:
        case b"crash":
            os.kill(os.getpid(), signal.SIGKILL)
        case b"crash-once":
            marker = folder / rest.decode()
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        case b"hang":
            signal.pause()
        case b"bad":
            raise ImageError("the image is no image")
        case b"large":
            raise ImageTooLargeError("the image is too large")
        case b"labels":
            return LabelPrediction(640, 480, FOUND)
        case b"raise":
            raise RuntimeError("the model stumbled")
        case b"print":
            print(rest.decode(), file=sys.stderr, flush=True)
        case b"nonsense":
            os.write(options.fd, b"\xff" * 64)
            signal.pause()
        case b"close":
            os.close(options.fd)
            signal.pause()
        case b"spin":
            end = time.monotonic() + float(rest)
            while time.monotonic() < end:
                pass
        case b"hold":
            with socket.socket(socket.AF_UNIX) as gate:
                gate.connect(rest.decode())
                gate.recv(1)
    pid = os.getpid()
    regions = (Region("background", "#FFFFFF", 0.75), Region("crack", "#FF0000", 0.25))
    mask = image[::-1] if verb == b"mirror" else None
    return Prediction(0.25, 0.5, False, 0.75, width=pid, height=len(image), regions=regions, mask_png=mask)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--artifact", type=Path, required=True)
    for name in ("--fd", "--parent", "--threads"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--device", required=True)
    return parser.parse_args()


def main() -> int:
    link = attach(options.fd, options.parent)
    if link is None:
        return 1
    if (options.artifact / "broken").exists():
        print("loading the model", file=sys.stderr)
        print("model.onnx is torn", file=sys.stderr)
        return 3
    if (options.artifact / "slow").exists():
        signal.pause()
    serve(link, lambda image: predict(options.artifact, image))
    return 0


if __name__ == "__main__":
    options = parse()
    sys.exit(main())
