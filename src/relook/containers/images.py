"""Which image a name means: one of our built-in runtimes, or an image for the engine.

ImageTableError    an entry of the settings' table cannot be used; the message names it, the rule and the fix
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase

PREFIX = "builtin/"
AS_IS = "engine"
"""What a table says of an image that is to go to the engine although its name is a well-known one."""


class ImageTableError(Exception):
    """An entry of the image table cannot be used."""


class Runtime(StrEnum):
    """What our own handler host can serve; `builtin/<value>` is its image."""

    VISION = "vision"
    ONNX = "onnx"
    SKLEARN = "sklearn"
    PYTHON = "python"
    PYTORCH = "pytorch"


_REGISTRY = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/(?P<name>[^:@]+)(?:[:@].*)?")
_WELL_KNOWN = {
    "pytorch-inference": Runtime.PYTORCH,
    "pytorch-training": Runtime.PYTORCH,
    "sagemaker-scikit-learn": Runtime.SKLEARN,
    "sagemaker-base-python": Runtime.PYTHON,
    "sagemaker-base-python-*": Runtime.PYTHON,
}
"""Repositories of AWS's own framework images, in whatever account: those differ by region."""


class ImageTable:
    """The settings' table over the well-known names.

    `entries` map an image, or a pattern with `*`, to `builtin/<runtime>`, to another image, or to `engine`, which
    takes it as it is. A key without a tag holds for every tag. The longest key that fits counts. ImageTableError.
    """

    def __init__(self, entries: Mapping[str, str] | None = None) -> None:
        self._entries = dict(sorted((entries or {}).items(), key=lambda entry: (-len(entry[0]), entry[0])))
        for name, image in self._entries.items():
            _check(name, image)

    def resolve(self, image: str) -> str:
        """What is to run in the image's place: `builtin/<runtime>`, or an image for the engine. One step, no chain; our
        own names always mean what they say.
        """
        if image.startswith(PREFIX):
            return image
        for pattern, target in self._entries.items():
            if fnmatchcase(image, pattern) or fnmatchcase(without_tag(image), pattern):
                return image if target == AS_IS else target
        found = _REGISTRY.fullmatch(image)
        if found is None:
            return image
        known = (runtime for name, runtime in _WELL_KNOWN.items() if fnmatchcase(found["name"], name))
        runtime = next(known, None)
        return image if runtime is None else PREFIX + runtime

    def built_in(self, image: str) -> bool:
        """Whether the image means one of ours, or has a name that is kept for ours."""
        return self.resolve(image).startswith(PREFIX)

    def runtime(self, image: str) -> Runtime | None:
        """None for an image of the engine's, and for `builtin/` names that there are not."""
        name = without_tag(self.resolve(image))
        return next((runtime for runtime in Runtime if name == PREFIX + runtime), None)


def without_tag(image: str) -> str:
    """The image's name alone: no `:tag`, no `@digest`; a registry's port stays."""
    name = image.split("@", 1)[0]
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.split(":", 1)[0]


def _check(name: str, image: str) -> None:
    if not name or any(mark.isspace() for mark in name + image) or not image:
        raise ImageTableError(f"image table: {name!r} = {image!r}: both are image names, without spaces and not empty")
    if image.startswith(PREFIX) and without_tag(image) not in {PREFIX + runtime for runtime in Runtime}:
        there_are = ", ".join(PREFIX + runtime for runtime in Runtime)
        raise ImageTableError(f"image table: {name!r} = {image!r}: there is no such built-in runtime, but {there_are}")
