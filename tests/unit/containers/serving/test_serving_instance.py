from __future__ import annotations

import asyncio
import itertools
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from serving_archives import Put, tar_gz
from serving_driver import ProcessContainer, ProcessDriver
from serving_host import QUICK, Host, Hosted, ask, container, running, until

from relook.containers.serving.api import (
    AnswerTooLarge,
    ContainerGone,
    ExecutionParameters,
    Invocation,
    NoSuchContainer,
    NoSuchModel,
    Reply,
    ServingError,
    StartFailed,
)
from relook.containers.serving.instance import ModelInstance
from relook.core.serving import ContainerDefinition, ModelData


def test_one_container_answers(hosted: Hosted, driver: ProcessDriver, put: Put) -> None:
    async def check(host: Host) -> None:
        data = ModelData(put("model.tar.gz", tar_gz({"model.bin": b"weights"})))
        extra = {"draft": ModelData(put("draft.bin", b"draft"), gzip=False)}
        definition = replace(container(), data=data, extra=extra)
        async with running(host, definition) as instance:
            reply = await instance.invoke(ask(content_type="image/png"))
            assert reply == Reply(200, b"body", "image/png", "done", "primary")
            assert (await instance.invoke(ask("file=/opt/ml/model/model.bin"))).body == b"weights"
            found = await instance.invoke(ask("file=/opt/ml/additional-model-data-sources/draft/draft.bin"))
            assert found.body == b"draft"
            (spec,) = (each.spec for each in driver.started)
            assert (spec.name, spec.command, spec.image) == ("test-1", ("serve",), "image")
            assert all(mount.read_only for mount in spec.mounts)
            source = spec.mounts[0].source
        assert not instance.healthy
        assert not source.exists()
        assert host.lines[0] == ("primary", "starting a")

    hosted(check)


def test_the_environment_and_nothing_of_ours(
    hosted: Hosted, driver: ProcessDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")

    async def check(host: Host) -> None:
        definition = replace(container(SETTING="model", OTHER="kept"), hostname="my-host")
        async with running(host, definition, environment={"SETTING": "job"}) as instance:
            said = json.loads((await instance.invoke(ask("tell"))).body)["environment"]
        assert (said["SETTING"], said["OTHER"]) == ("job", "kept")
        assert not [name for name in said if name.startswith(("AWS", "SAGEMAKER"))]
        assert driver.started[0].spec.hostname == "my-host"
        assert host.lines[0][0] == "my-host"

    hosted(check)


def test_only_the_headers_of_the_contract_reach_it(hosted: Hosted) -> None:
    async def check(host: Host) -> None:
        async with running(host, container()) as instance:
            asked = ask("tell", content_type="text/csv", accept="application/json", session_id="s")
            said = json.loads((await instance.invoke(asked)).body)["headers"]
            bare = json.loads((await instance.invoke(Invocation(b"", custom_attributes="tell"))).body)["headers"]
        assert said == {
            "Host": "localhost",
            "Content-Type": "text/csv",
            "Accept": "application/json",
            "X-Amzn-SageMaker-Custom-Attributes": "tell",
            "X-Amzn-SageMaker-Session-Id": "s",
            "Content-Length": "4",
        }
        assert bare == {"Host": "localhost", "X-Amzn-SageMaker-Custom-Attributes": "tell", "Content-Length": "0"}

    hosted(check)


def test_sessions_pass(hosted: Hosted) -> None:
    async def check(host: Host) -> None:
        async with running(host, container()) as instance:
            opened = await instance.invoke(ask("session", session_id="NEW_SESSION"))
            assert opened.new_session_id == "abc; Expires=2030-01-01T00:00:00Z"
            assert opened.closed_session_id is None
            assert (await instance.invoke(ask("session", session_id="abc"))).body == b"abc"

    hosted(check)


def test_connections_are_used_again(hosted: Hosted) -> None:
    async def check(host: Host) -> None:
        async with running(host, container()) as instance:
            for _ in range(30):
                await instance.invoke(ask())
            said = json.loads((await instance.invoke(ask("tell"))).body)
            assert said["invocations"] == 31
            assert said["connections"] <= 3  # pings have one of their own now and then
            for _ in range(5):  # closed by the container after each answer, without a word
                assert (await instance.invoke(ask("once"))).body == b"body"

    hosted(check)


def test_an_error_of_the_container_is_a_reply(hosted: Hosted) -> None:
    async def check(host: Host) -> None:
        async with running(host, container()) as instance:
            reply = await instance.invoke(ask("status=500"))
            assert (reply.status, reply.body, reply.container) == (500, b"what went wrong", "primary")
            assert instance.healthy

    hosted(check)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("exit", "exited with status 3 before it answered /ping. It said last:\nstarting a\ncannot import the model's"),
        ("mute", "did not pass the ping health check within 5 s: /ping: it did not answer in time"),
        ("sick", "did not pass the ping health check within 5 s: /ping is answered with 503"),
    ],
)
def test_a_container_that_does_not_come_up(hosted: Hosted, driver: ProcessDriver, start: str, words: str) -> None:
    async def check(host: Host) -> None:
        with pytest.raises(StartFailed) as caught:
            await host.start(container(START=start), startup_timeout=20.0 if start == "exit" else 5.0)
        assert f"The primary container {words}" in str(caught.value)
        assert driver.running() == []

    hosted(check)


def test_an_image_that_cannot_be_run(hosted: Hosted, driver: ProcessDriver) -> None:
    async def check(host: Host) -> None:
        with pytest.raises(StartFailed, match="The container-2 container could not be started: there is no image"):
            await host.start(container(), ContainerDefinition("nowhere"))
        assert len(driver.started) == 1
        assert driver.running() == []

    hosted(check)


def test_model_data_that_cannot_be_had(hosted: Hosted, driver: ProcessDriver, put: Put, tmp_path: Path) -> None:
    async def check(host: Host) -> None:
        good = replace(container(), data=ModelData(put("good.tar.gz", tar_gz({"a": b"a"}))))
        for data in (ModelData("s3://bucket/none.tar.gz"), ModelData(put("bad.tar.gz", b"not a tar"))):
            with pytest.raises(StartFailed, match=data.uri):
                await host.start(good, replace(container(), data=data))
        assert driver.started == []
        (own,) = (path for path in (tmp_path / "models").iterdir() if path.is_dir())
        assert [path.name for path in own.iterdir()] == ["lock"]

    hosted(check)


def test_a_start_given_up_leaves_nothing(hosted: Hosted, driver: ProcessDriver) -> None:
    async def check(host: Host) -> None:
        task = asyncio.ensure_future(host.start(container(START="mute")))
        await until(lambda: bool(driver.started))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: driver.running() == [])

    hosted(check)


def test_ten_gigabytes_are_not_taken(hosted: Hosted, driver: ProcessDriver) -> None:
    async def check(host: Host) -> None:
        async with running(host, container()) as instance:
            before = memory()
            for what in ("sized=10000000000", "chunks=10000000000", "unsized=10000000000"):
                with pytest.raises(AnswerTooLarge, match="The primary container answered too much"):
                    await instance.invoke(ask(what, largest_answer=1_000_000))
                with pytest.raises(AnswerTooLarge):
                    await drained(instance, ask(what, largest_answer=1_000_000))
            assert memory() - before < 100 * 2**20
            assert (await instance.invoke(ask())).body == b"body"
            assert instance.in_flight == 0
            sent = driver.started[0].ports / "sent"
            await until(sent.exists)

    hosted(check)


async def drained(instance: ModelInstance, invocation: Invocation) -> int:
    """How many bytes a streamed answer has."""
    reply = await instance.invoke_streamed(invocation)
    return sum([len(part) async for part in reply.parts])


def unanswered(container: ProcessContainer) -> int:
    """How many requests to `hang` have reached it."""
    return len(list(container.ports.glob("hanging-*")))


def memory() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_streamed_answers(hosted: Hosted) -> None:
    async def check(host: Host) -> None:
        async with running(host, container()) as instance:
            streamed = await instance.invoke_streamed(ask("chunks=5000000"))
            assert (streamed.status, instance.in_flight) == (200, 1)
            assert sum([len(part) async for part in streamed.parts]) == 5_000_000
            assert instance.in_flight == 0
            failed = await instance.invoke_streamed(ask("status=503"))
            assert (failed.status, failed.container, failed.content_type) == (503, "primary", "text/plain")
            assert [part async for part in failed.parts] == [b"what went wrong"]
            assert instance.in_flight == 0
            forgotten = await instance.invoke_streamed(ask("chunks=50000000", largest_answer=10**9, timeout=2.0))
            assert instance.in_flight == 1
            await until(lambda: instance.in_flight == 0)
            del forgotten

    hosted(check)


def test_an_answer_that_takes_too_long(hosted: Hosted) -> None:
    async def check(host: Host) -> None:
        async with running(host, container()) as instance:
            with pytest.raises(ContainerGone, match="The primary container gave no answer: it did not answer in time"):
                await instance.invoke(ask("hang", timeout=0.1))
            assert (await instance.invoke(ask())).body == b"body"

    hosted(check)


def test_a_ping_that_the_end_cuts_off_does_not_hide_what_the_container_said(hosted: Hosted) -> None:
    """It is not ready, and then answers no more: what it said is the reason."""

    async def check(host: Host) -> None:
        with pytest.raises(StartFailed, match="within 5 s: /ping is answered with 503"):
            await host.start(container(START="tiring"), startup_timeout=5.0)

    hosted(check, replace(QUICK, ping_timeout=60.0))


@pytest.mark.parametrize("how", ["die", "kill"])
def test_a_death_in_the_middle_of_requests(hosted: Hosted, driver: ProcessDriver, how: str) -> None:
    async def check(host: Host) -> None:
        async with running(host, container()) as instance:
            hanging = [asyncio.ensure_future(instance.invoke(ask("hang"))) for _ in range(3)]
            await until(lambda: unanswered(driver.started[0]) == 3)
            assert instance.in_flight == 3
            if how == "kill":
                driver.started[0].kill()
            else:
                with pytest.raises(ContainerGone):
                    await instance.invoke(ask("die"))
            ends = await asyncio.gather(*hanging, return_exceptions=True)
            assert [type(end) for end in ends] == [ContainerGone] * 3
            await until(lambda: not instance.healthy)
            expected = "was killed by SIGKILL (out of memory?)" if how == "kill" else "exited with status 7"
            assert instance.reason == f"The primary container {expected}"
            with pytest.raises(ContainerGone, match=r"gave no answer: (was killed|exited)"):
                await instance.invoke(ask())
            assert instance.in_flight == 0

    hosted(check, replace(QUICK, ping_every=60.0))


def test_a_container_that_fails_its_pings_is_unhealthy(hosted: Hosted, driver: ProcessDriver) -> None:
    async def check(host: Host) -> None:
        async with running(host, container()) as instance:
            (driver.started[0].ports / "sick").touch()
            await until(lambda: not instance.healthy)
            assert instance.reason == "The primary container is unhealthy: /ping is answered with 503"

    hosted(check)


def test_pings_unanswered_at_work_are_pardoned_for_a_while(hosted: Hosted, driver: ProcessDriver) -> None:
    async def check(host: Host) -> None:
        async with running(host, container()) as instance:
            loop = asyncio.get_running_loop()
            hanging = asyncio.ensure_future(instance.invoke(ask("hang")))
            await until(lambda: unanswered(driver.started[0]) == 1)
            (driver.started[0].ports / "sick").touch()
            began = loop.time()
            await until(lambda: not instance.healthy)
            assert loop.time() - began > 1.0
            with pytest.raises(ContainerGone, match="is unhealthy"):
                await hanging

    hosted(check, replace(QUICK, busy=2.0))


def test_stopping_ends_what_is_in_flight_and_can_be_asked_twice(hosted: Hosted, driver: ProcessDriver) -> None:
    async def check(host: Host) -> None:
        instance = await host.start(container(), container(NAME="b"))
        hanging = asyncio.ensure_future(instance.invoke(ask("hang")))
        await until(lambda: unanswered(driver.started[0]) == 1)
        await asyncio.gather(instance.stop(), instance.stop())
        with pytest.raises(ContainerGone, match="was stopped"):
            await hanging
        assert driver.running() == []
        await instance.stop()
        with pytest.raises(ContainerGone):
            await instance.invoke(ask())

    hosted(check)


def test_all_containers_are_stopped_at_once_and_the_deaf_ones_killed(hosted: Hosted, driver: ProcessDriver) -> None:
    async def check(host: Host) -> None:
        instance = await host.start(*(container(START="deaf") for _ in range(4)))
        began = asyncio.get_running_loop().time()
        await instance.stop()
        assert 1.0 < asyncio.get_running_loop().time() - began < 4.0
        assert [each.wait() for each in driver.started] == [137] * 4

    hosted(check, replace(QUICK, stop_grace=1.0))


# Pipelines.


def three() -> list[ContainerDefinition]:
    return [container(NAME=name) for name in "abc"]


def test_a_pipeline_hands_on_body_and_type_and_asks_the_last_for_what_the_caller_accepts(
    hosted: Hosted, driver: ProcessDriver
) -> None:
    async def check(host: Host) -> None:
        async with running(host, *three()) as instance:
            reply = await instance.invoke(ask("add", b"in", content_type="text/csv", accept="image/png"))
            assert reply.body == b"in>a:text/csv:None>b:text/a:None>c:text/b:image/png"
            assert (reply.content_type, reply.container) == ("text/c", "container-3")
            streamed = await instance.invoke_streamed(ask("add", b"in", content_type="text/csv", accept="x/y"))
            assert [part async for part in streamed.parts] == [b"in>a:text/csv:None>b:text/a:None>c:text/b:x/y"]
        environments = [each.spec.environment for each in driver.started]
        assert [each["SAGEMAKER_BIND_TO_PORT"] for each in environments] == ["8080", "8081", "8082"]
        ranges = [[int(port) for port in each["SAGEMAKER_SAFE_PORT_RANGE"].split("-")] for each in environments]
        assert all(first < last for first, last in ranges)
        assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))
        assert [each.spec.name for each in driver.started] == ["test-1", "test-2", "test-3"]

    hosted(check)


def test_no_success_ends_the_pipeline(hosted: Hosted) -> None:
    async def check(host: Host) -> None:
        async with running(host, *three()) as instance:
            reply = await instance.invoke(ask("status=418@b", b"in", content_type="t/c"))
            assert (reply.status, reply.body, reply.container) == (418, b"what went wrong", "container-2")
            streamed = await instance.invoke_streamed(ask("status=418@b", b"in", content_type="t/c"))
            assert (streamed.status, streamed.container) == (418, "container-2")
            assert [part async for part in streamed.parts] == [b"what went wrong"]
            assert instance.in_flight == 0

    hosted(check)


def test_a_pipeline_with_one_that_does_not_come_up_is_not_left_half(hosted: Hosted, driver: ProcessDriver) -> None:
    async def check(host: Host) -> None:
        with pytest.raises(StartFailed, match="The container-2 container exited with status 3"):
            await host.start(container(), container(START="exit"), container(START="mute"))
        assert driver.running() == []

    hosted(check)


def test_a_direct_model_is_asked_by_name(hosted: Hosted) -> None:
    async def check(host: Host) -> None:
        named = [replace(container(NAME=name), hostname=f"host-{name}") for name in "ab"]
        async with running(host, *named, direct=True) as instance:
            reply = await instance.invoke(ask("add", b"in", target_container="host-b", accept="x/y"))
            assert (reply.body, reply.container) == (b"in>b:None:x/y", "host-b")
            with pytest.raises(NoSuchContainer, match="'host-c': the model has host-a, host-b"):
                await instance.invoke(ask(target_container="host-c"))
            with pytest.raises(NoSuchContainer, match="TargetContainerHostname is required"):
                await instance.invoke(ask())

    hosted(check)


def test_targets_that_the_model_has_not(hosted: Hosted) -> None:
    async def check(host: Host) -> None:
        async with running(host, container()) as instance:
            with pytest.raises(NoSuchContainer, match="only for models with"):
                await instance.invoke(ask(target_container="a"))
            with pytest.raises(NoSuchModel, match="MultiModel"):
                await instance.invoke(ask(target_model="a.tar.gz"))
            with pytest.raises(ServingError, match="line break"):
                await instance.invoke(ask(content_type="a\r\nb: c"))
            assert instance.in_flight == 0

    hosted(check)


def test_execution_parameters(hosted: Hosted) -> None:
    async def check(host: Host) -> None:
        async with running(host, container(START="batch")) as instance:
            assert await instance.execution_parameters() == ExecutionParameters(4, True, 6)

    hosted(check)


def test_no_execution_parameters(hosted: Hosted) -> None:
    async def check(host: Host) -> None:
        async with running(host, container()) as instance:
            assert await instance.execution_parameters() == ExecutionParameters()

    hosted(check)
