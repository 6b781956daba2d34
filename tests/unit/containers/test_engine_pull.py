"""Fetching images, from a registry of the tests' own on loopback."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from inside import Log

from podman_service import PodmanService
from relook.containers.api import CannotRun, ContainerSpec
from relook.containers.engine.driver import EngineDriver

LABEL = {"com.amazonaws.sagemaker.capabilities.multi-models": "true"}
DOCKER = "application/vnd.docker"


class Registry(http.server.BaseHTTPRequestHandler):
    """Serves `files` by path, each with its content type."""

    def __init__(self, files: dict[str, tuple[str, bytes]], *rest: object) -> None:
        self.files = files
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        kind, content = self.files.get(self.path, ("", b""))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


def _image(name: str) -> dict[str, tuple[str, bytes]]:
    """A whole image with one empty file in it: manifest, configuration, one layer."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("empty"))
    layer = gzip.compress(tar.getvalue(), mtime=0)
    root = {"type": "layers", "diff_ids": [_digest(tar.getvalue())]}
    inner = {"architecture": "amd64", "os": "linux", "config": {"Labels": LABEL}, "rootfs": root}
    config = json.dumps(inner).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{DOCKER}.distribution.manifest.v2+json",
        "config": _described(f"{DOCKER}.container.image.v1+json", config),
        "layers": [_described(f"{DOCKER}.image.rootfs.diff.tar.gzip", layer)],
    }
    found = {f"/v2/{name}/blobs/{_digest(each)}": ("application/octet-stream", each) for each in (config, layer)}
    found["/v2/"] = ("application/json", b"{}")
    for tag in ("1", "latest"):
        found[f"/v2/{name}/manifests/{tag}"] = (str(manifest["mediaType"]), json.dumps(manifest).encode())
    return found


def _described(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": kind, "size": len(content), "digest": _digest(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Registry, _image("models/tiny"))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def driver(podman: PodmanService) -> Iterator[EngineDriver]:
    made = EngineDriver(podman.setting, pull=True)
    yield made
    made.close()


@pytest.mark.parametrize("tag", [":1", ""])
def test_an_image_that_is_not_here_is_fetched(driver: EngineDriver, registry: str, tag: str) -> None:
    assert driver.labels(f"{registry}/models/tiny{tag}") == LABEL


def test_only_where_that_is_allowed(podman: PodmanService, registry: str) -> None:
    driver = EngineDriver(podman.setting, pull=False)
    with pytest.raises(CannotRun, match="not on this machine"):
        driver.labels(f"{registry}/models/tiny:2")
    driver.close()


def test_what_cannot_be_fetched_is_named(driver: EngineDriver, registry: str) -> None:
    for image in (f"{registry}/models/none:1", f"{registry}/models/tiny:3", "127.0.0.1:1/models/tiny:1"):
        with pytest.raises(CannotRun, match=f"the image {image} cannot be fetched: ."):
            driver.start(ContainerSpec("relook-pull", image, ("serve",)), Log())
