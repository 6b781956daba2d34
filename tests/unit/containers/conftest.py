from __future__ import annotations

from collections.abc import Iterator

import pytest

import container_image
from podman_service import PodmanMissing, PodmanService

HIDDEN = {"AWS_SECRET_ACCESS_KEY": "not-for-containers", "HTTPS_PROXY": "http://user:not-for-containers@192.0.2.7:1"}


@pytest.fixture(scope="session")
def podman() -> Iterator[PodmanService]:
    """A private Podman with the image `container_image.IMAGE`; its own environment holds what no container may see."""
    service = PodmanService(HIDDEN)
    try:
        service.start()
        client = service.client()
        container_image.build(client)
        container_image.prove(client)
        client.close()
    except (PodmanMissing, container_image.CannotBuild) as error:
        service.close()
        pytest.skip(str(error))
    yield service
    service.close()
