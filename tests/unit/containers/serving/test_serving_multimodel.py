from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from serving_archives import Put, tar_gz
from serving_driver import ProcessDriver
from serving_host import Host, Hosted, ask, container, running, until

from relook.containers.serving.api import ModelNotReady, NoSuchModel, ServingError, StartFailed
from relook.containers.serving.instance import ModelInstance
from relook.core.serving import ContainerDefinition, ContainerMode, ModelData

Model = Callable[[str], None]


@pytest.fixture
def model(put: Put) -> Model:
    """Puts a model under the endpoint's prefix; its value is the name's stem."""

    def put_one(name: str, value: str | None = None) -> None:
        put(f"models/{name}", tar_gz({"value.txt": (value or name.split(".")[0]).encode()}))

    return put_one


def several(room: int, cached: bool = True) -> ContainerDefinition:
    data = ModelData("s3://bucket/models/", prefix=True)
    mode = ContainerMode.MULTI_MODEL
    return replace(container(ROOM=str(room)), mode=mode, data=data, cached=cached)


async def said(instance: ModelInstance, target: str, **more: Any) -> dict[str, Any]:
    reply = await instance.invoke(ask(target_model=target, **more))
    assert reply.status == 200, reply
    found: dict[str, Any] = json.loads(reply.body)
    return found


def test_a_model_is_loaded_when_it_is_first_asked_for(hosted: Hosted, driver: ProcessDriver, model: Model) -> None:
    async def check(host: Host) -> None:
        model("a.tar.gz")
        model("deep/b.tar.gz", "b")
        async with running(host, several(5)) as instance:
            spec = driver.started[0].spec
            assert spec.environment["SAGEMAKER_MULTI_MODEL"] == "true"
            assert [mount.target for mount in spec.mounts] == ["/opt/ml/models"]
            first = await said(instance, "a.tar.gz", body=b"one")
            assert (first["value"], first["target"], first["body"]) == ("a", "a.tar.gz", "one")
            assert "a.tar" not in first["name"]
            assert (await said(instance, "a.tar.gz"))["loads"] == ["a"]
            assert (await said(instance, "deep/b.tar.gz"))["loads"] == ["a", "b"]
            assert (await said(instance, "/deep/b.tar.gz"))["loads"] == ["a", "b"]
            model("later.tar.gz")
            assert (await said(instance, "later.tar.gz"))["value"] == "later"
        assert not spec.mounts[0].source.exists()

    hosted(check)


def test_calls_at_once_load_once(hosted: Hosted, model: Model) -> None:
    async def check(host: Host) -> None:
        model("a.tar.gz")
        async with running(host, several(5)) as instance:
            answers = await asyncio.gather(*(said(instance, "a.tar.gz") for _ in range(20)))
            assert all(answer["loads"] == ["a"] for answer in answers)

    hosted(check)


def test_the_least_recently_used_makes_room(hosted: Hosted, driver: ProcessDriver, model: Model) -> None:
    async def check(host: Host) -> None:
        for name in "abc":
            model(f"{name}.tar.gz")
        async with running(host, several(2)) as instance:
            await said(instance, "a.tar.gz")
            await said(instance, "b.tar.gz")
            await said(instance, "a.tar.gz")
            assert (await said(instance, "c.tar.gz"))["loaded"] == ["a", "c"]
            again = await said(instance, "b.tar.gz")
            assert (again["loaded"], again["loads"]) == (["b", "c"], ["a", "b", "c", "b"])
            visible = driver.started[0].spec.mounts[0].source
            await until(lambda: len(list(visible.iterdir())) == 2)

    hosted(check)


def test_twenty_models_in_room_for_five_under_load(hosted: Hosted, driver: ProcessDriver, model: Model) -> None:
    async def check(host: Host) -> None:
        for number in range(20):
            model(f"m{number}.tar.gz")
        async with running(host, several(5)) as instance:
            chosen = random.Random(7)

            async def caller() -> None:
                for _ in range(15):
                    name = f"m{chosen.randrange(20)}"
                    answer = await said(instance, f"{name}.tar.gz", timeout=60.0)
                    assert answer["value"] == name
                    assert len(answer["loaded"]) <= 5

            await asyncio.gather(*(caller() for _ in range(8)))
            assert instance.in_flight == 0
            assert instance.healthy
            for number in range(20):
                assert (await said(instance, f"m{number}.tar.gz"))["value"] == f"m{number}"
            visible = driver.started[0].spec.mounts[0].source
            await until(lambda: len(list(visible.iterdir())) == 5)

    hosted(check)


def test_a_model_that_does_not_fit_at_all(hosted: Hosted, model: Model) -> None:
    async def check(host: Host) -> None:
        model("a.tar.gz")
        async with running(host, several(0)) as instance:
            reply = await instance.invoke(ask(target_model="a.tar.gz"))
            assert (reply.status, reply.body, reply.container) == (507, b"out of memory", "primary")

    hosted(check)


def test_what_the_container_says_to_a_load_is_the_reply_and_the_next_tries_anew(hosted: Hosted, model: Model) -> None:
    async def check(host: Host) -> None:
        model("a.tar.gz", "broken")
        async with running(host, several(2)) as instance:
            replies = await asyncio.gather(*(instance.invoke(ask(target_model="a.tar.gz")) for _ in range(3)))
            assert {(reply.status, reply.body) for reply in replies} == {(500, b"this model is broken")}
            streamed = await instance.invoke_streamed(ask(target_model="a.tar.gz"))
            assert (streamed.status, [part async for part in streamed.parts]) == (500, [b"this model is broken"])
            model("a.tar.gz", "mended")
            assert (await said(instance, "a.tar.gz"))["value"] == "mended"
            assert instance.in_flight == 0

    hosted(check)


@pytest.mark.parametrize("target", ["../secret.tar.gz", "a/../../secret.tar.gz", "..", ".", "a//b", "/", "//x"])
def test_no_target_leads_out_of_the_prefix(hosted: Hosted, put: Put, target: str) -> None:
    async def check(host: Host) -> None:
        put("secret.tar.gz", tar_gz({"value.txt": b"secret"}))
        async with running(host, several(5)) as instance:
            with pytest.raises(NoSuchModel, match="is no path under s3://bucket/models/"):
                await instance.invoke(ask(target_model=target))

    hosted(check)


def test_models_that_are_not_there_or_broken_on_the_way(hosted: Hosted, put: Put) -> None:
    async def check(host: Host) -> None:
        put("models/cut.tar.gz", tar_gz({"value.txt": b"x"})[:20])
        async with running(host, several(5)) as instance:
            with pytest.raises(
                NoSuchModel, match=r"'none.tar.gz': Could not find model data at s3://bucket/models/none"
            ):
                await instance.invoke(ask(target_model="none.tar.gz"))
            with pytest.raises(StartFailed, match=r"cut\.tar\.gz cannot be unpacked"):
                await instance.invoke(ask(target_model="cut.tar.gz"))
            with pytest.raises(NoSuchModel, match="TargetModel is required"):
                await instance.invoke(ask())
            assert instance.in_flight == 0

    hosted(check)


def test_nothing_stays_loaded_where_caching_is_off(hosted: Hosted, driver: ProcessDriver, model: Model) -> None:
    async def check(host: Host) -> None:
        model("a.tar.gz")
        async with running(host, several(5, cached=False)) as instance:
            visible = driver.started[0].spec.mounts[0].source
            await said(instance, "a.tar.gz")
            await until(lambda: not list(visible.iterdir()))
            again = await said(instance, "a.tar.gz")
            assert (again["loads"], again["loaded"]) == (["a", "a"], ["a"])

    hosted(check)


def test_a_slow_load_goes_on_when_its_callers_are_gone(hosted: Hosted, driver: ProcessDriver, model: Model) -> None:
    async def check(host: Host) -> None:
        model("a.tar.gz", "slow")
        async with running(host, several(5)) as instance:
            with pytest.raises(ModelNotReady, match=r"'a\.tar\.gz' is still being loaded"):
                await instance.invoke(ask(target_model="a.tar.gz", timeout=0.3))
            await until((driver.started[0].ports / "loading").exists)
            (driver.started[0].ports / "go").touch()
            assert (await said(instance, "a.tar.gz"))["loads"] == ["slow"]

    hosted(check)


def test_a_stop_in_the_middle_of_a_load(hosted: Hosted, driver: ProcessDriver, model: Model) -> None:
    async def check(host: Host) -> None:
        model("a.tar.gz", "slow")
        async with running(host, several(5)) as instance:
            waiting = asyncio.ensure_future(instance.invoke(ask(target_model="a.tar.gz")))
            await until((driver.started[0].ports / "loading").exists)
        (ended,) = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(ended, ServingError)
        assert not driver.started[0].spec.mounts[0].source.exists()

    hosted(check)


def test_a_model_in_use_is_unloaded_after_its_answer(hosted: Hosted, model: Model) -> None:
    """Room for one, two models asked for in turns by many: everybody is answered."""

    async def check(host: Host) -> None:
        model("a.tar.gz")
        model("b.tar.gz")
        async with running(host, several(1)) as instance:
            names = ["a", "b"] * 20
            answers = await asyncio.gather(*(said(instance, f"{name}.tar.gz", timeout=60.0) for name in names))
            assert [answer["value"] for answer in answers] == names
            assert all(len(answer["loaded"]) == 1 for answer in answers)

    hosted(check)
