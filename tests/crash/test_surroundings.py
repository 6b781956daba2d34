"""A machine that is not as it should be: a full disk, foreign or damaged files, an artifact that went missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from crash_disk import fill
from crash_processes import wait_until
from crash_vision import BUCKET, IMAGES, line, setup_images
from crash_world import World, picture

from relook.store.engine import Store

MODEL = {"ProjectName": "project", "ModelVersion": "1"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "data")
    made.start()
    yield made
    made.live.stop()


def code_of(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def serve(data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "relook", "serve", "--data", str(data), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done


def make_dataset(world: World) -> None:
    setup_images(world)
    world.vision.create_project(ProjectName="project")
    manifest = "\n".join(line(name, "2024-01-01T00:00:00.000") for name in IMAGES).encode()
    world.s3.put_object(Bucket=BUCKET, Key="manifest", Body=manifest)
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Key": "manifest"}}}
    where = {"ProjectName": "project", "DatasetType": "train"}
    world.vision.create_dataset(**where, DatasetSource=source)
    wait_until(
        lambda: world.vision.describe_dataset(**where)["DatasetDescription"]["Status"] == "CREATE_COMPLETE", 30, "made"
    )


def train(world: World) -> None:
    world.vision.create_model(ProjectName="project", OutputConfig={"S3Location": {"Bucket": BUCKET, "Prefix": "out/"}})


def model(world: World) -> dict[str, Any]:
    return dict(world.vision.describe_model(**MODEL)["ModelDescription"])


def has_status(world: World, status: str, seconds: float = 300) -> None:
    wait_until(lambda: model(world)["Status"] == status, seconds, f"{status}: {model(world)}\n{world.live.tail()}")


def put_more(world: World) -> Any:
    return world.s3.put_object(Bucket=BUCKET, Key="more", Body=bytes(2_000_000))


def test_puts_on_a_full_disk_are_refused_and_nothing_is_lost(disk: Path) -> None:
    world = World(disk)
    world.start()
    try:
        world.s3.create_bucket(Bucket=BUCKET)
        world.s3.put_object(Bucket=BUCKET, Key="kept", Body=b"kept")
        plug = fill(disk)
        assert code_of(lambda: put_more(world)) == ("InsufficientStorage", 507)
        assert code_of(lambda: world.s3.head_object(Bucket=BUCKET, Key="more"))[1] == 404
        assert world.s3.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"kept"
        assert list((disk / "objects" / "tmp").iterdir()) == []
        plug.unlink()
        put_more(world)
    finally:
        world.live.stop()


@pytest.mark.slow  # what met a full disk is tried again after half a minute, and then after a whole one
def test_a_training_that_meets_a_full_disk_waits_for_space(disk: Path) -> None:
    world = World(disk)
    world.start()
    try:
        make_dataset(world)
        train(world)
        plug = fill(disk)
        wait_until(lambda: "the disk is full" in world.live.log.read_text(), 60, "met")
        assert model(world)["Status"] == "TRAINING"
        plug.unlink()
        has_status(world, "TRAINED")
    finally:
        world.live.stop()


def test_no_start_on_a_full_disk(disk: Path) -> None:
    world = World(disk)
    world.start()
    world.s3.create_bucket(Bucket=BUCKET)
    world.s3.put_object(Bucket=BUCKET, Key="kept", Body=b"kept")
    world.live.stop()
    plug = fill(disk)
    said = serve(disk).stderr
    assert "free some space" in said
    assert str(disk) in said
    plug.unlink()
    world.start()
    assert world.s3.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"kept"
    world.live.stop()


def test_a_read_only_folder_is_refused(disk: Path) -> None:
    data = disk
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    said = serve(data).stderr
    assert "Read-only file system" in said
    assert str(data) in said
    assert "--data" in said


def test_a_folder_of_somebody_else_is_refused() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to run the server as somebody else")
    code = "import os, sys; from relook.cli import serve; os.setuid(65534); serve.serve(['--data', sys.argv[1]])"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        command = [sys.executable, "-c", code, folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"{folder}: the data folder cannot be used (Permission denied)" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("relook.toml", b"port = = 1", "relook.toml cannot be read as TOML"),
        ("relook.toml", b"\xff\xfe", "relook.toml cannot be read as TOML"),
        ("relook.toml", b'port = "many"', "port is 'many'"),
        ("administrator.json", b"{", "the administrator's key file is damaged"),
        ("administrator.json", b'{"accessKeyId": 7}', "the administrator's key file is damaged"),
        ("administrator.json", b"\xff", "the administrator's key file is damaged"),
        ("relook.sqlite3", b"no database" * 1000, "relook.sqlite3: the database cannot be used"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / name).write_bytes(content)
    (data / name).chmod(0o600)
    assert words in serve(data).stderr
    assert (data / name).read_bytes() == content  # nothing is repaired by throwing it away


def test_a_database_with_damaged_pages_is_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    Store.open(data / "relook.sqlite3").close()
    with (data / "relook.sqlite3").open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(20_000))
    assert "relook.sqlite3: the database cannot be used" in serve(data).stderr
    listing = subprocess.run(
        [sys.executable, "-m", "relook", "jobs", "--data", str(data)], capture_output=True, text=True, check=False
    )
    assert listing.returncode == 1
    assert "the database cannot be used" in listing.stderr
    assert "Traceback" not in listing.stderr


def damage_graph(artifact: Path) -> None:
    graph = artifact / "model.onnx"
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])


def alter_graph(artifact: Path) -> None:
    graph = bytearray((artifact / "model.onnx").read_bytes())
    graph[len(graph) // 2] ^= 1
    (artifact / "model.onnx").write_bytes(graph)


def damage_description(artifact: Path) -> None:
    (artifact / "model.json").write_text("{")


def test_an_artifact_that_is_gone_or_damaged_fails_hosting_with_a_reason(world: World) -> None:
    make_dataset(world)
    train(world)
    has_status(world, "TRAINED")
    (artifact,) = (world.data / "artifacts").iterdir()
    copy = world.data.with_name("copy")
    shutil.copytree(artifact, copy)
    for damage in (shutil.rmtree, damage_graph, alter_graph, damage_description):
        damage(artifact)
        world.vision.start_model(**MODEL, MinInferenceUnits=1)
        has_status(world, "HOSTING_FAILED")
        message = model(world)["StatusMessage"]
        assert "the model cannot be loaded: " in message
        assert "Traceback" not in message
        shutil.rmtree(artifact, ignore_errors=True)
        shutil.copytree(copy, artifact)
    world.vision.start_model(**MODEL, MinInferenceUnits=1)
    has_status(world, "HOSTED")


def test_a_hosted_model_whose_artifact_vanishes_fails_at_the_next_start_and_the_server_lives(world: World) -> None:
    make_dataset(world)
    train(world)
    has_status(world, "TRAINED")
    world.vision.start_model(**MODEL, MinInferenceUnits=1)
    has_status(world, "HOSTED")
    (artifact,) = (world.data / "artifacts").iterdir()
    shutil.rmtree(artifact)
    asked = {"Body": picture(5, defect=True), "ContentType": "image/png"}
    assert world.vision.detect_anomalies(**MODEL, **asked)["DetectAnomalyResult"]  # it is in memory
    world.restart()
    has_status(world, "HOSTING_FAILED")
    assert code_of(lambda: world.vision.detect_anomalies(**MODEL, **asked)) == ("ConflictException", 409)
    world.vision.delete_model(**MODEL)
    deadline = time.monotonic() + 10
    while world.vision.list_models(ProjectName="project")["Models"]:
        assert time.monotonic() < deadline


def test_altered_weights_fail_the_training_with_their_name(world: World) -> None:
    make_dataset(world)
    (world.data / "weights").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "relook", "weights", "show", "--data", str(world.data), "--json"]
    assert subprocess.run(command, check=True, capture_output=True).stdout
    for name in ("backbone.onnx", "backbone.json"):
        (world.data / "weights" / name).write_bytes(b"altered")
    train(world)
    wait_until(lambda: model(world)["Status"] != "TRAINING", 90, "ended")
    assert model(world)["Status"] == "TRAINING_FAILED"
    assert "weights" in model(world)["StatusMessage"]
