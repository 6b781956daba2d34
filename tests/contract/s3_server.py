"""A live server that has S3 alone, for the S3 contract tests."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from relook.blobs.folder import FolderBlobs
from relook.core.clock import system_clock
from relook.gateway.app import build
from relook.iam.authorizer import AdministratorOnly
from relook.iam.keys import AccessKey, FixedKeys, root_of
from relook.services.s3 import service
from relook.store.engine import Store

ACCOUNT = "123456789012"
KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@dataclass(frozen=True)
class LiveServer:
    endpoint: str
    blobs: FolderBlobs

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextmanager
def live_s3(root: Path) -> Iterator[LiveServer]:
    """Serve the S3 front on a free loopback port until the block ends."""
    store = Store.open(root / "relook.db")
    blobs = FolderBlobs(store, root / "objects", system_clock)
    keys = FixedKeys(AccessKey(KEY_ID, SECRET, root_of(ACCOUNT, KEY_ID)))
    app = build([service(blobs, system_clock)], keys, AdministratorOnly(), virtual_host="s3.localhost")
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        yield LiveServer(f"http://127.0.0.1:{listener.getsockname()[1]}", blobs)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        store.close()
