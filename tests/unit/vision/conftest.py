from __future__ import annotations

from collections.abc import Iterator

import pytest

from relook.vision import mask_net

FEW_STEPS = 300


@pytest.fixture(scope="module")
def few_steps() -> Iterator[None]:
    """Heads learn for an eighth of the time: for tests of what surrounds them, on parts that are easy to tell apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mask_net, "STEPS", FEW_STEPS)
        yield
