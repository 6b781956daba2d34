"""Whether this machine can do what settings ask of it: `python -m relook.vision.able --device gpu --precision int8`.

Says on standard output what it cannot, and exits with 1. A process of its own, so that the server loads no runtime.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from relook.vision import engine, int8, runtime
from relook.vision.engine import Device
from relook.vision.runtime import Precision


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="relook.vision.able", description="What can this machine do?")
    parser.add_argument("--device", type=Device, default=Device.AUTO, help="where models are to be served")
    parser.add_argument("--precision", type=Precision, help="what models are to be trained in")
    options = parser.parse_args(arguments)
    found = [engine.gpu_lacks() if options.device is Device.GPU else None, precision_lacks(options.precision)]
    said = [why for why in found if why]
    print("; ".join(said))
    return 1 if said else 0


def precision_lacks(precision: Precision | None) -> str | None:
    """Why no model can be trained in `precision` here, and the fix; None if one can."""
    if precision is None:
        return None
    return int8.lacking() if precision is Precision.INT8 else runtime.lacks(precision)


if __name__ == "__main__":
    sys.exit(main())
