"""`import sagemaker_inference` for handlers that use its names, where the toolkit itself is not installed.

Only what handlers commonly import: content_types, decoder.decode, encoder.encode and the two errors.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType

from relook.containers.embedded.host import codecs, errors

NAME = "sagemaker_inference"


def install() -> None:
    """Does nothing where there is one already."""
    if NAME in sys.modules or find_spec(NAME) is not None:
        return
    package = _module(NAME)
    package.__path__ = []
    types = {"JSON": codecs.JSON, "CSV": codecs.CSV, "NPY": codecs.NPY, "NPZ": codecs.NPZ, "UTF8_TYPES": codecs.UTF8}
    types |= {"ANY": "*/*", "OCTET_STREAM": "application/octet-stream"}
    _module(f"{NAME}.content_types", **types)
    _module(f"{NAME}.decoder", decode=codecs.decode)
    _module(f"{NAME}.encoder", encode=codecs.encode)
    _module(
        f"{NAME}.errors",
        BaseInferenceToolkitError=errors.InferenceError,
        UnsupportedFormatError=errors.UnsupportedFormat,
    )


def _module(name: str, **members: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)
    return module
