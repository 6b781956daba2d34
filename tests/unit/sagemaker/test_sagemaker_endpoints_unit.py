from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from endpoint_stage import SCOPE, Stage, play, until, variant

from relook.aws.errors import ServiceError
from relook.containers.serving.api import ContainerGone, Invocation
from relook.store import sagemaker_endpoints as rows
from relook.store.sagemaker_documents import DocumentKind

ARN = "arn:aws:sagemaker:us-east-1:000000000000:endpoint/"


def test_an_endpoint_is_created_answers_and_is_deleted(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.simple("One")
        assert await stage.create("One") == {"EndpointArn": ARN + "one"}
        found = await stage.becomes("One", "InService")
        (told,) = found["ProductionVariants"]
        assert (told["VariantName"], told["CurrentInstanceCount"], told["DesiredInstanceCount"]) == ("AllTraffic", 1, 1)
        assert told["DeployedImages"][0]["SpecifiedImage"] == "test"
        assert "VariantStatus" not in told
        answer = await stage.invoke("One", b"echo", Accept="text/x")
        assert (answer["Body"], answer["ContentType"]) == (b"echo", "text/x")
        assert answer["InvokedProductionVariant"] == "AllTraffic"
        await stage.delete("One")
        with pytest.raises(ServiceError, match="Endpoint One of account 000000000000 not found"):
            await stage.invoke("One", b"echo")
        assert await stage.gone("One") == f'Could not find endpoint "{ARN}one".'
        assert stage.starter.running == []

    play(tmp_path, scenario)


def test_creating_names_what_is_missing(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        with pytest.raises(
            ServiceError, match=r'^ValidationException: Could not find endpoint configuration ".*/none".'
        ):
            await stage.create("e", "none")
        stage.config("lost", variant("nomodel"))
        with pytest.raises(ServiceError, match=r'Could not find model ".*model/nomodel"'):
            await stage.create("e", "lost")
        await stage.serving("e")
        with pytest.raises(ServiceError, match=r'Cannot create already existing endpoint ".*endpoint/e"'):
            await stage.create("E", "e")

    play(tmp_path, scenario)


def test_what_cannot_start_fails_with_the_reason_and_can_only_be_deleted(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.simple("bad", FAULT="image test: no engine can run it")
        await stage.create("bad")
        found = await stage.becomes("bad", "Failed")
        assert found["FailureReason"] == "Production variant AllTraffic: image test: no engine can run it"
        with pytest.raises(ServiceError, match="is Failed: it cannot be updated, only deleted"):
            await stage.update("bad", "bad")
        with pytest.raises(ServiceError, match="not found"):
            await stage.invoke("bad", b"x")
        await stage.delete("bad")

    play(tmp_path, scenario)


def test_a_reason_too_long_to_be_told_keeps_its_end(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.simple("bad", FAULT="Traceback\n" + "  File x\n" * 300 + "ValueError: why")
        await stage.create("bad")
        reason = (await stage.becomes("bad", "Failed"))["FailureReason"]
        assert len(reason) == 1024
        assert reason.startswith("Production variant AllTraffic: Traceback")
        assert reason.endswith("ValueError: why")

    play(tmp_path, scenario)


def test_deleting_while_creating_leaves_nothing(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.starter.gate.clear()
        stage.simple("slow")
        await stage.create("slow")
        await until(lambda: len(stage.starter.launched) == 1)
        with pytest.raises(ServiceError, match=r'Cannot update in-progress endpoint ".*slow"'):
            await stage.update("slow", "slow")
        await stage.delete("slow")
        assert "Could not find endpoint" in await stage.gone("slow")
        stage.starter.gate.set()
        assert stage.starter.instances == []

    play(tmp_path, scenario)


def test_a_late_withdrawal_is_nothing_to_the_next_endpoint_of_the_name(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("e")
        with stage.store.read() as connection:
            former = rows.find(connection, SCOPE, "e")
        assert former is not None
        await stage.delete("e")
        await stage.gone("e")
        await stage.create("e")
        await stage.becomes("e", "InService")
        stage.hosting.withdraw(former)
        assert await stage.ask("e", b"x") == b"x"

    play(tmp_path, scenario)


def test_an_update_switches_without_losing_a_request(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("old", 2)
        stage.simple("new")
        answers: list[bytes] = []

        async def load(over: asyncio.Event) -> None:
            while not over.is_set():
                answers.append((await stage.ask("old", b"who")).split()[0])

        over = asyncio.Event()
        callers = [asyncio.create_task(load(over)) for _ in range(4)]
        held = asyncio.create_task(stage.ask("old", b"hold"))
        await until(lambda: any("holding" in line for _, _, line in stage.logs.lines))
        await stage.update("old", "new")
        assert (await stage.describe("old"))["EndpointConfigName"] == "new"
        await stage.becomes("old", "InService")
        await until(lambda: answers[-1] == b"new")
        assert not held.done()
        await until(lambda: sum(each.healthy for each in stage.starter.instances[:2]) == 1)
        holder = next(each for each in stage.starter.instances[:2] if each.healthy)
        with contextlib.suppress(ContainerGone):  # it may end, with nothing more to do, before it has answered this
            await holder.invoke(Invocation(b"open"))
        assert await held == b"hold"
        over.set()
        await asyncio.gather(*callers)
        assert set(answers) == {b"old", b"new"}
        await until(lambda: len(stage.starter.running) == 1)

    play(tmp_path, scenario)


def test_a_failed_update_leaves_the_old_one_serving(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("good")
        stage.simple("bad", FAULT="it ended")
        await stage.update("good", "bad")
        found = await stage.becomes("good", "InService")
        assert found["EndpointConfigName"] == "good"
        assert found["FailureReason"] == "Production variant AllTraffic: it ended"
        assert (await stage.ask("good", b"who")).startswith(b"good")
        stage.simple("better")
        await stage.update("good", "better")
        found = await stage.becomes("good", "InService")
        assert (found["EndpointConfigName"], found["FailureReason"]) == ("better", None)

    play(tmp_path, scenario)


def test_endpoints_come_back_although_configuration_and_model_are_gone(tmp_path: Path) -> None:
    async def first(stage: Stage) -> None:
        await stage.serving("kept")
        stage.drop(DocumentKind.ENDPOINT_CONFIG, "kept")
        stage.drop(DocumentKind.MODEL, "kept")
        stage.starter.gate.clear()
        stage.simple("half")
        await stage.create("half")

    async def second(stage: Stage) -> None:
        assert (await stage.ask("kept", b"who")).startswith(b"kept")
        await stage.becomes("half", "InService")

    play(tmp_path, first)
    play(tmp_path, second)


def test_a_server_that_ended_in_an_update_finishes_it(tmp_path: Path) -> None:
    async def first(stage: Stage) -> None:
        await stage.serving("e")
        stage.simple("next")
        stage.starter.gate.clear()
        await stage.update("e", "next")
        await until(lambda: len(stage.starter.launched) == 2)

    async def second(stage: Stage) -> None:
        await stage.becomes("e", "InService")
        assert (await stage.ask("e", b"who")).startswith(b"next")

    play(tmp_path, first)
    play(tmp_path, second)


def test_weights_and_capacities_change_without_new_instances(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model("a")
        stage.model("b")
        stage.config(
            "ab",
            {"VariantName": "A", "ModelName": "a", "InitialVariantWeight": 3.0},
            {"VariantName": "B", "ModelName": "b", "InitialVariantWeight": 0.0},
        )
        await stage.create("ab")
        await stage.becomes("ab", "InService")
        before = list(stage.starter.running)
        assert {(await stage.ask("ab", b"who"))[:1] for _ in range(20)} == {b"a"}
        assert (await stage.ask("ab", b"who", TargetVariant="B"))[:1] == b"b"
        await stage.resize("ab", {"VariantName": "A", "DesiredWeight": 0.0}, {"VariantName": "B", "DesiredWeight": 2.0})
        found = await stage.becomes("ab", "InService")
        assert [each["CurrentWeight"] for each in found["ProductionVariants"]] == [0.0, 2.0]
        assert {(await stage.ask("ab", b"who"))[:1] for _ in range(20)} == {b"b"}
        await stage.resize("ab", {"VariantName": "B", "DesiredInstanceCount": 2})
        found = await stage.becomes("ab", "InService")
        assert found["ProductionVariants"][1]["CurrentInstanceCount"] == 2
        assert set(before) < set(stage.starter.running)
        await stage.resize("ab", {"VariantName": "B", "DesiredInstanceCount": 1})
        await until(lambda: len(stage.starter.running) == 2)
        with pytest.raises(ServiceError, match="no production variant C; it has A, B"):
            await stage.resize("ab", {"VariantName": "C", "DesiredWeight": 1.0})
        with pytest.raises(ServiceError, match="Every variant of endpoint ab would have weight 0"):
            await stage.resize("ab", {"VariantName": "B", "DesiredWeight": 0.0})
        with pytest.raises(ServiceError, match="DesiredInstanceCount 0"):
            await stage.resize("ab", {"VariantName": "B", "DesiredInstanceCount": 0})

    play(tmp_path, scenario)


def test_retained_properties_survive_an_update(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("e")
        await stage.resize("e", {"VariantName": "AllTraffic", "DesiredInstanceCount": 2, "DesiredWeight": 5.0})
        await stage.becomes("e", "InService")
        stage.simple("f")
        kept = {"ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}]}
        with pytest.raises(ServiceError, match="needs RetainAllVariantProperties"):
            await stage.update("e", "f", **kept)
        await stage.update("e", "f", RetainAllVariantProperties=True, **kept)
        (told,) = (await stage.becomes("e", "InService"))["ProductionVariants"]
        assert (told["DesiredInstanceCount"], told["DesiredWeight"]) == (2, 1.0)

    play(tmp_path, scenario)


def test_deployment_configurations_are_refused_by_name(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("e")
        with pytest.raises(ServiceError, match="DeploymentConfig is not offered"):
            await stage.update("e", "e", DeploymentConfig={"BlueGreenUpdatePolicy": {}})
        with pytest.raises(ServiceError, match="RetainDeploymentConfig is not offered"):
            await stage.update("e", "e", RetainDeploymentConfig=True)

    play(tmp_path, scenario)


def test_the_machine_has_a_limit(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("e", 2)
        stage.simple("f", 2)
        with pytest.raises(ServiceError) as refused:
            await stage.create("f")
        assert refused.value.code == "ResourceLimitExceeded"
        assert "is 3 Instances, with current utilization of 2 Instances and a request delta of 2" in str(refused.value)
        await stage.update("e", "f")  # replaces two by two: no more than before
        await stage.becomes("e", "InService")

    play(tmp_path, scenario, instances=3)


def test_idle_endpoints_stop_and_start_again_when_asked(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("e")
        assert (await stage.ask("e", b"who")).startswith(b"e")
        await until(lambda: not stage.starter.running)
        before = len(stage.starter.launched)  # two where the first was idle before it was asked
        assert (await stage.describe("e"))["ProductionVariants"][0]["CurrentInstanceCount"] == 1
        assert (await stage.ask("e", b"who")).startswith(b"e")
        assert len(stage.starter.launched) == before + 1

    async def again(stage: Stage) -> None:
        assert stage.starter.launched == []
        assert (await stage.ask("e", b"who")).startswith(b"e")

    play(tmp_path, scenario, idle_seconds=0.05, look_seconds=0.02)
    play(tmp_path, again, idle_seconds=60.0)


def test_logs_go_to_the_endpoints_group(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.serving("Loud")
        held = asyncio.create_task(stage.ask("Loud", b"hold"))
        await until(lambda: bool(stage.logs.lines))
        group, stream, line = stage.logs.lines[0]
        assert (group, line) == ("/aws/sagemaker/Endpoints/Loud", "holding")
        assert stream.startswith("AllTraffic/i-")
        await stage.ask("Loud", b"open")
        assert await held == b"hold"

    play(tmp_path, scenario)
