from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from podman_service import PodmanService

# How fast a busy machine makes up examples is no property of the code: no deadline, and no health check on speed.
settings.register_profile("relook", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("relook")


@pytest.fixture(scope="session")
def podman() -> Iterator[PodmanService]:
    """A private Podman with the image `container_image.IMAGE`; tests that want it are skipped where it cannot run."""
    from podman_service import PodmanMissing, podman_with_image

    try:
        service = podman_with_image()
    except PodmanMissing as error:
        pytest.skip(str(error))
    yield service
    service.close()
