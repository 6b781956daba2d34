from __future__ import annotations

from collections.abc import Iterator

import pytest

from relook.vision import mask_net
from relook.vision.check import views

FEW_STEPS = 300
SMALL_LONG_SIDE = 128


@pytest.fixture(scope="module")
def few_steps() -> Iterator[None]:
    """Heads learn for an eighth of the time: for tests of what surrounds them, on parts that are easy to tell apart.

    The check before a training looks at a quarter of the pixels; what it finds is for the check's own tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mask_net, "STEPS", FEW_STEPS)
        patch.setattr(views, "LONG_SIDE", SMALL_LONG_SIDE)
        yield
