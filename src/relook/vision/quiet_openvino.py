"""OpenVINO without its model converter. Everything of ours takes the runtime from here: `from ... import ov`.

Importing plain `openvino` also imports its converter, which reports that import to a web analytics service and writes
a client number into the home folder, unasked. Neither may happen on machines that keep to themselves; and the
converter, which we never use, is a third of the time that the import takes. A module that is None in `sys.modules`
cannot be imported, and OpenVINO goes on without it.
"""

from __future__ import annotations

import sys

for _name in ("openvino_telemetry", "openvino.tools.ovc"):
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]

import openvino as ov  # noqa: E402

__all__ = ["ov"]
