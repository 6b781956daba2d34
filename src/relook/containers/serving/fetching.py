"""Model data fetched from the event loop, and given back whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

from relook.containers.serving.modeldata import Lease, ModelFolder, Patience
from relook.core.serving import ModelData


async def fetch(folder: ModelFolder, executor: Executor, account: str, data: ModelData, seconds: float) -> Lease:
    """`ModelFolder.acquire` on another thread, in at most so many seconds. StartFailed. A cancel leaves nothing."""
    patience = Patience(seconds, f"the download of the model data at {data.uri}")
    loop = asyncio.get_running_loop()
    fetched = loop.run_in_executor(executor, folder.acquire, account, data, patience)

    def give_back(done: asyncio.Future[Lease]) -> None:
        if not done.cancelled() and done.exception() is None:
            loop.run_in_executor(executor, done.result().release)

    try:
        return await asyncio.shield(fetched)
    except asyncio.CancelledError:
        patience.cancel()
        fetched.add_done_callback(give_back)
        raise
