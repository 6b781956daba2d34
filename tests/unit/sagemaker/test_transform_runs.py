from __future__ import annotations

import gzip
import json
import random
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from transform_world import ACCOUNT, BUCKET, REGION, Killed, World

from relook.blobs.records import Target
from relook.core.serving import ContainerDefinition, ModelDefinition
from relook.jobs import queue
from relook.jobs.states import JobState
from relook.services.sagemaker import transform_host

TFRECORDS = b"\x01\x00\x00\x00\x00\x00\x00\x00\x01u\xdeAaxn\xe4(\x02\x00\x00\x00\x00\x00\x00\x00x'\x0b4bc43\xdb\xa7"
LINES = {"SplitType": "Line", "ContentType": "application/jsonlines"}
_NOTICED = 2.0
"""Seconds within which a container's end is noticed, for certain."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("uri", ["s3://data/in", "s3://data/in/"])
def test_each_object_is_one_request_and_one_output(world: World, uri: str) -> None:
    world.model()
    for key in ("in/a.jpg", "in/sub/b.jpg", "in/sub/deep/c.jpg"):
        world.put(key, key.encode())
    world.put("in/empty", b"")
    world.put("in/folder/", b"marker")
    world.put("other/d.jpg", b"not this")
    found = world.done(S3DataSource={"S3Uri": uri}, TransformInput={"ContentType": "image/jpeg"})
    assert (found["TransformJobStatus"], found.get("FailureReason")) == ("Completed", None)
    assert found["CreationTime"] <= found["TransformStartTime"] <= found["TransformEndTime"]
    assert world.versions() == ["out/a.jpg.out", "out/sub/b.jpg.out", "out/sub/deep/c.jpg.out"]
    assert world.read("out/sub/b.jpg.out") == b"<in/sub/b.jpg>"
    version, reader = world.blobs.objects.find_and_open(ACCOUNT, BUCKET, "out/a.jpg.out")
    reader.close()
    assert version.attributes.headers["content-type"] == "image/jpeg"
    assert world.wakes == 1


def test_more_objects_than_a_page_of_the_listing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.services.sagemaker.transform_inputs.PAGE", 3)
    monkeypatch.setattr("relook.services.sagemaker.transform_job._PAGE", 4)
    world.model()
    for number in range(11):
        world.put(f"in/{number:02}", b"x")
    assert world.done()["TransformJobStatus"] == "Completed"
    assert world.versions() == [f"out/{number:02}.out" for number in range(11)]


def test_lines_are_sent_together_or_alone_and_come_back_in_order(world: World) -> None:
    world.model()
    world.put("in/x.txt", b"".join(b"line %d\n" % number for number in range(50)))
    multi = world.done("multi", TransformInput={"SplitType": "Line"}, MaxConcurrentTransforms=4)
    assert multi["TransformJobStatus"] == "Completed"
    assert world.read("out/x.txt.out") == b"<" + world.read("in/x.txt") + b">"
    single = world.done(
        "single",
        TransformInput={"SplitType": "Line"},
        BatchStrategy="SingleRecord",
        MaxConcurrentTransforms=4,
        TransformOutput={"AssembleWith": "Line"},
    )
    assert single["TransformJobStatus"] == "Completed"
    assert world.read("out/x.txt.out") == b"".join(b"<line %d\n>\n" % number for number in range(50))
    assert sum("asked" in line for line in world.lines()) == 51


def test_join_and_filters(world: World) -> None:
    world.model(MODE="lines")
    world.put("in/x.jsonl", b'{"id": 1, "text": "ab"}\n{"id": 2, "text": "abc"}\n')
    found = world.done(
        TransformInput=LINES,
        DataProcessing={
            "InputFilter": "$.text",
            "JoinSource": "Input",
            "OutputFilter": "$['id','SageMakerOutput']",
        },
    )
    assert found["TransformJobStatus"] == "Completed"
    assert world.read("out/x.jsonl.out") == (
        b'{"id":1,"SageMakerOutput":{"length":4}}\n{"id":2,"SageMakerOutput":{"length":5}}\n'
    )


def test_csv_with_columns_chosen(world: World) -> None:
    world.model(MODE="csv")
    world.put("in/x.csv", b"id1,a,b\nid2,c,d,e\n")
    found = world.done(
        TransformInput={"SplitType": "Line", "ContentType": "text/csv"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
    )
    assert found["TransformJobStatus"] == "Completed"
    assert world.read("out/x.csv.out") == b"id1,2\nid2,3\n"


def test_gzipped_objects(world: World) -> None:
    world.model()
    world.put("in/x.gz", gzip.compress(b"some text"))
    world.put("in/y.gz", gzip.compress(b"cut off" * 100)[:-20])
    world.put("in/z.gz", b"no gzip at all")
    found = world.done(TransformInput={"CompressionType": "Gzip"})
    assert found["TransformJobStatus"] == "Failed"
    assert found["FailureReason"].startswith(
        "ClientError: 2 of 3 input objects failed; the first: s3://data/in/y.gz: it is not gzip, or damaged"
    )
    assert world.versions() == ["out/x.gz.out"]
    assert world.read("out/x.gz.out") == b"<some text>"


def test_a_manifest(world: World) -> None:
    world.model()
    for key in ("in/a", "in/sub/b", "in/c"):
        world.put(key, key.encode())
    world.put("m.json", json.dumps([{"prefix": "s3://data/in/"}, "sub/b", "a", "gone", "a"]).encode())
    found = world.done(S3DataSource={"S3DataType": "ManifestFile", "S3Uri": "s3://data/m.json"})
    assert found["FailureReason"].startswith("ClientError: 1 of 3 input objects failed; the first: s3://data/in/gone:")
    assert found["FailureReason"].endswith("See job logs for more information")
    assert world.versions() == ["out/a.out", "out/sub/b.out"]


@pytest.mark.parametrize(
    ("members", "put", "reason"),
    [
        ({}, {}, "ClientError: No S3 objects found under prefix: s3://data/in/"),
        ({}, {"in/empty": b""}, "ClientError: No S3 objects found under prefix: s3://data/in/"),
        ({"S3DataSource": {"S3Uri": "s3://gone/in"}}, {}, "ClientError: bucket gone: There is no bucket"),
        (
            {"S3DataSource": {"S3Uri": "s3://data/m", "S3DataType": "ManifestFile"}},
            {"m": b"{}"},
            "ClientError: the manifest s3://data/m is not a JSON array",
        ),
        (
            {"S3DataSource": {"S3Uri": "s3://data/m", "S3DataType": "ManifestFile"}},
            {},
            "ClientError: s3://data/m: There is no object",
        ),
        (
            {"S3DataSource": {"S3Uri": "s3://data/in"}},
            {"in/in2/x": b"x", "in2/x": b"x"},
            "ClientError: s3://data/in/in2/x and s3://data/in2/x would both be written to s3://data/out/in2/x.out",
        ),
    ],
)
def test_inputs_and_outputs_that_are_not_there(
    world: World, members: dict[str, object], put: dict[str, bytes], reason: str
) -> None:
    world.model()
    for key, data in put.items():
        world.put(key, data)
    found = world.done(**members)
    assert found["TransformJobStatus"] == "Failed"
    assert found["FailureReason"].startswith(reason)
    assert world.versions() == []


def test_a_model_that_cannot_be_started(world: World) -> None:
    world.model(image="nowhere")
    world.put("in/x", b"x")
    found = world.done()
    assert found["TransformJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("AlgorithmError: ")
    assert "there is no image nowhere: pull it first" in found["FailureReason"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            b"bad",
            "ClientError: 1 of 3 input objects failed; the first: s3://data/in/b: the model answered 400: I cannot",
        ),
        (b"broken", "AlgorithmError: 1 of 3 input objects failed; the first: s3://data/in/b: the model answered 500"),
        (b"die", "AlgorithmError: 1 of 3 input objects failed; the first: s3://data/in/b: "),
        (
            b"x" * (2**20 + 1),
            "ClientError: 1 of 3 input objects failed; the first: s3://data/in/b: the object is larger",
        ),
    ],
)
def test_one_object_fails_and_the_others_are_done(
    world: World, monkeypatch: pytest.MonkeyPatch, body: bytes, reason: str
) -> None:
    monkeypatch.setattr(transform_host, "_PAUSE", _NOTICED)
    world.model()
    for key, data in (("in/a", b"fine"), ("in/b", body), ("in/c", b"fine too")):
        world.put(key, data)
    found = world.done(MaxPayloadInMB=1, ModelClientConfig={"InvocationsMaxRetries": 1})
    assert found["TransformJobStatus"] == "Failed"
    assert found["FailureReason"].startswith(reason)
    assert world.versions() == ["out/a.out", "out/c.out"]
    assert any(line.startswith("[sagemaker logs]: data/in/b: ") for line in world.lines("/data-log"))


def test_a_record_that_fails_leaves_its_whole_object_without_output(world: World) -> None:
    world.model()
    world.put("in/x", b"fine\nbad\nfine again\n" * 20)
    world.put("in/y", b"fine\n" * 5)
    found = world.done(TransformInput={"SplitType": "Line"}, BatchStrategy="SingleRecord", MaxConcurrentTransforms=3)
    assert found["FailureReason"].startswith("ClientError: 1 of 2")
    assert world.versions() == ["out/y.out"]


def test_retries_and_a_container_that_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform_host, "_PAUSE", _NOTICED)
    world.model()
    world.put("in/a", b"flaky")
    world.put("in/b", b"exit")  # ends the first container; the second one has not seen it either, and so on
    world.put("in/c", b"fine")
    found = world.done(ModelClientConfig={"InvocationsMaxRetries": 1})
    assert found["FailureReason"].startswith("AlgorithmError: 1 of 3 input objects failed; the first: s3://data/in/b: ")
    assert world.versions() == ["out/a.out", "out/c.out"]
    assert len(world.driver.started) == 3


def test_no_retries_when_none_are_wanted(world: World) -> None:
    world.model()
    world.put("in/a", b"flaky")
    found = world.done(ModelClientConfig={"InvocationsMaxRetries": 0})
    assert "the model answered 503: try again" in found["FailureReason"]
    assert sum("asked" in line for line in world.lines()) == 1


def test_a_request_that_takes_too_long(world: World) -> None:
    world.model(DELAY="20")
    world.put("in/a", b"x")
    found = world.done(ModelClientConfig={"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 1})
    assert found["FailureReason"].startswith("AlgorithmError: 1 of 1")


def test_what_the_container_is_told(world: World) -> None:
    world.model(MODE="environment", FROM_MODEL="yes", BOTH="model")
    world.put("in/a", b"x")
    found = world.done(
        Environment={"BOTH": "job", "SAGEMAKER_BATCH": "no"},
        MaxPayloadInMB=2,
        MaxConcurrentTransforms=3,
        BatchStrategy="SingleRecord",
    )
    assert found["TransformJobStatus"] == "Completed"
    told = json.loads(world.read("out/a.out"))
    wanted = {
        "FROM_MODEL": "yes",
        "BOTH": "job",
        "SAGEMAKER_BATCH": "True",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "2",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "3",
        "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
    }
    assert {name: told.get(name) for name in wanted} == wanted
    assert not any(name.startswith("AWS_") for name in told)


def test_the_headers_of_a_request(world: World) -> None:
    world.model(MODE="headers")
    world.put("in/a", b"x")
    world.done(TransformInput={"ContentType": "image/png"}, TransformOutput={"Accept": "application/json"})
    told = json.loads(world.read("out/a.out"))
    assert (told["Content-Type"], told["Accept"], told["Content-Length"]) == ("image/png", "application/json", "1")


def test_no_limit_of_the_payload_sends_chunks(world: World) -> None:
    world.model(MODE="headers")
    world.put("in/a", b"x" * (7 * 2**20))  # more than the default of 6 MB
    assert world.done(MaxPayloadInMB=0)["TransformJobStatus"] == "Completed"
    told = json.loads(world.read("out/a.out"))
    assert told["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in told


def test_the_container_says_how_it_wants_to_be_asked(world: World) -> None:
    said = {"MaxConcurrentTransforms": 3, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 4}
    world.model(MODE="environment", DELAY="0.5", PARAMETERS=json.dumps(said))
    world.put("in/a", b"a\nb\nc\nd\ne\nf\n")
    assert world.done(TransformInput={"SplitType": "Line"})["TransformJobStatus"] == "Completed"
    answers = world.read("out/a.out").replace(b"}{", b"}\n{").splitlines()
    assert len(answers) == 6
    assert max(json.loads(each)["most"] for each in answers) == 3


def test_a_killed_job_goes_on_and_doubles_nothing(world: World) -> None:
    world.model(DELAY="0.03")
    names = [f"{number:02}" for number in range(40)]
    for name in names:
        world.put(f"in/{name}", b"broken" if name == "00" else name.encode())

    def die(stage: str, done: int) -> None:
        if stage == "transforming" and done >= 5:
            raise Killed

    world.create(ModelClientConfig={"InvocationsMaxRetries": 0})
    world.crash(die)
    before = set(world.keys())
    assert 0 < len(before) < 39
    world.put("in/late", b"came after the job had begun")
    world.blobs.objects.delete(ACCOUNT, BUCKET, Target("in/39"))  # its version is still there
    asked = len(world.lines())
    world.work()
    assert world.describe()["FailureReason"].startswith("AlgorithmError: 1 of 40 input objects failed")
    assert world.versions() == [f"out/{name}.out" for name in names[1:]]
    assert len(world.lines()) - asked == 39 - len(before)
    assert world.driver.reaped == ["test-1-"] * 2
    assert len([each for each in world.streams() if "data-log" not in each]) == 1


def test_a_stopped_job_leaves_no_output(world: World) -> None:
    world.model(DELAY="0.03")
    world.put("out/02.out", b"an older answer")
    for number in range(40):
        world.put(f"in/{number:02}", b"x")

    def stop(stage: str, done: int) -> None:
        if stage == "transforming" and done >= 5 and world.describe()["TransformJobStatus"] == "InProgress":
            world.stop()

    world.create()
    world.work(stop)
    found = world.describe()
    assert found["TransformJobStatus"] == "Stopping"
    assert "TransformEndTime" not in found
    world.stop()  # once more is fine
    world.work()
    found = world.describe()
    assert found["TransformJobStatus"] == "Stopped"
    assert found["TransformEndTime"] >= found["TransformStartTime"]
    assert world.versions() == ["out/02.out"]
    assert world.read("out/02.out") == b"an older answer"
    assert world.work() is None


def test_a_job_stopped_before_it_began(world: World) -> None:
    world.model()
    world.put("in/x", b"x")
    world.create()
    world.stop()
    world.work()
    assert world.describe()["TransformJobStatus"] == "Stopped"
    assert world.work() is None
    assert world.driver.started == []


def test_a_stop_that_comes_too_late_for_the_job_still_removes_everything(world: World) -> None:
    world.model()
    world.put("in/x", b"x")
    world.create()
    world.work(before_end=world.stop)
    assert world.describe()["TransformJobStatus"] == "Stopping"
    world.work()
    assert world.describe()["TransformJobStatus"] == "Stopped"
    assert world.versions() == []


def test_an_output_bucket_that_is_deleted_before_the_job_runs(world: World) -> None:
    world.model()
    world.put("in/x", b"x")
    world.blobs.buckets.create(ACCOUNT, REGION, "short-lived")
    world.create(TransformOutput={"S3OutputPath": "s3://short-lived/out"})
    world.blobs.buckets.delete(ACCOUNT, "short-lived")
    world.work()
    found = world.describe()
    assert (found["TransformJobStatus"], found["FailureReason"][:31]) == ("Failed", "ClientError: bucket short-lived")


def test_the_job_of_a_failed_transform_has_failed(world: World) -> None:
    """What `relook jobs` lists."""
    world.model()
    for name in ("a", "b"):
        world.put(f"in/{name}", b"broken" if name == "b" else b"x")
    found = world.done()
    assert found["TransformJobStatus"] == "Failed"
    with world.store.read() as connection:
        (job,) = queue.list_jobs(connection)
    assert (job.state, job.reason) == (JobState.FAILED, found["FailureReason"])
    assert world.keys() == ["out/a.out"]


def test_a_stop_that_comes_when_the_job_has_just_failed_removes_everything(world: World) -> None:
    world.model()
    for name in ("a", "b"):
        world.put(f"in/{name}", b"broken" if name == "b" else b"x")
    world.create()
    world.work(before_end=world.stop)
    assert world.describe()["TransformJobStatus"] == "Stopping"
    world.work()
    found = world.describe()
    assert (found["TransformJobStatus"], found.get("FailureReason")) == ("Stopped", None)
    assert world.versions() == []


def test_without_versions_only_what_the_job_wrote_is_removed(world: World) -> None:
    world.model(DELAY="0.03")
    world.blobs.buckets.create(ACCOUNT, REGION, "plain")
    for number in range(40):
        world.put(f"in/{number:02}", b"x%d" % number)

    def stop(stage: str, done: int) -> None:
        if stage == "transforming" and done >= 5 and world.describe()["TransformJobStatus"] == "InProgress":
            world.put("out/01.out", b"somebody else's", "plain")
            world.blobs.objects.delete(ACCOUNT, "plain", Target("out/02.out"))
            world.stop()

    world.create(TransformOutput={"S3OutputPath": "s3://plain/out/"})
    world.work(stop)
    world.work()
    assert world.describe()["TransformJobStatus"] == "Stopped"
    assert world.keys(bucket="plain") == ["out/01.out"]
    assert world.blobs.read(ACCOUNT, "plain", "out/01.out") == b"somebody else's"


def test_a_kill_while_outputs_are_removed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.services.sagemaker.transform_job._PAGE", 3)
    world.model()
    for number in range(8):
        world.put(f"in/{number}", b"x")
    world.create()
    world.work(before_end=world.stop)

    def die(stage: str, done: int) -> None:
        if stage == "removing the outputs":
            raise Killed

    world.crash(die)
    assert 0 < len(world.versions()) < 8
    world.work()
    assert world.describe()["TransformJobStatus"] == "Stopped"
    assert world.versions() == []


def test_a_job_that_can_do_no_more_says_whose_fault_it_was(world: World) -> None:
    world.model()
    world.create()
    with world.store.write() as connection:
        world.kind.fail(connection, {"transform": 1}, "it was killed " + "again and " * 200)
    found = world.describe()
    assert found["TransformJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("InternalServerError: it was killed again and again")
    assert len(found["FailureReason"]) <= 1024


def test_an_engine_that_clears_nothing_away_stops_no_job(world: World) -> None:
    world.model()
    world.put("in/x", b"x")
    world.driver.engine_is_broken = True
    world.create()
    context = world.work()
    assert world.describe()["TransformJobStatus"] == "Completed"
    assert context is not None
    assert "containers of earlier attempts may still run: the engine does not answer" in context.lines


def test_a_full_disk_is_waited_for(world: World) -> None:
    world.model()
    world.put("in/a", b"small")
    world.put("in/b", b"x" * 5_000_000)
    world.create()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, hard))
    try:
        world.crash()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert world.describe()["TransformJobStatus"] == "InProgress"
    world.work()
    assert world.describe()["TransformJobStatus"] == "Completed"
    assert world.versions() == ["out/a.out", "out/b.out"]


@pytest.mark.parametrize("seed", range(3))
def test_many_objects_of_many_records_some_of_which_fail(world: World, seed: int) -> None:
    chance = random.Random(seed)
    world.model()
    wanted = {}
    for number in range(15):
        lines = [b"line %d\n" % each for each in range(chance.randrange(0, 12))]
        if chance.random() < 0.4:
            lines.insert(chance.randrange(len(lines) + 1), b"bad\n")
        else:
            wanted[f"out/{number:02}.out"] = b"".join(b"<%s>" % line for line in lines)
        world.put(f"in/{number:02}", b"\n" + b"".join(lines))
    found = world.done(
        TransformInput={"SplitType": "Line"},
        BatchStrategy="SingleRecord",
        MaxConcurrentTransforms=chance.choice((1, 3, 8)),
    )
    assert found["FailureReason"].startswith(f"ClientError: {15 - len(wanted)} of 15 input objects failed")
    assert {key: world.read(key) for key in world.versions()} == wanted


def test_a_pipeline_of_two_containers(world: World) -> None:
    world.keep(ModelDefinition("m", (ContainerDefinition(image="a"), ContainerDefinition(image="b"))))
    world.put("in/x", b"x")
    assert world.done()["TransformJobStatus"] == "Completed"
    assert world.read("out/x.out") == b"<<x>>"
    assert any(line.startswith("[container-2] asked 3 bytes") for line in world.lines())


def test_tfrecords_one_by_one(world: World) -> None:
    world.model()
    world.put("in/x", TFRECORDS)
    found = world.done(TransformInput={"SplitType": "TFRecord"}, BatchStrategy="SingleRecord")
    assert found["TransformJobStatus"] == "Completed"
    assert world.read("out/x.out") == b"<a><bc>"


def test_region_and_account_are_in_the_names(world: World) -> None:
    world.model()
    world.put("in/x", b"x")
    assert world.create("My-Job") == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:transform-job/my-job"
    world.work()
    (stream,) = world.streams()
    assert stream.startswith("My-Job/i-")
    assert stream.rpartition("-")[2].isdigit()
