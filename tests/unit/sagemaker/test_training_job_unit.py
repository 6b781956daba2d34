from __future__ import annotations

import gzip
import io
import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from training_world import BUCKET, World, channel, unpacked

from relook.core.batch.splitting import Split, records
from relook.core.clock import system_clock
from relook.core.training.states import Stage, TrainingStatus
from relook.jobs.api import JobCancelled
from relook.services.sagemaker import training_container, training_monitor
from relook.services.sagemaker.training_job import sweep
from relook.store import sagemaker_training as trainings

PROGRAMS = {
    "echo": """
def tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}
seen = {"input": tree(ml / "input"), "arguments": sys.argv[1:], "name": os.environ["TRAINING_JOB_NAME"]}
(ml / "model" / "seen.json").write_text(json.dumps(seen))
(ml / "output" / "data" / "notes.txt").write_text("notes")
for epoch in range(3):
    print(f"epoch {epoch} loss={1 / (epoch + 1):.4f} accuracy=none")
""",
    "fail": """
print("loss=0.5")
(ml / "output" / "failure").write_text("the data has no labels")
sys.exit(3)
""",
    "wait": """
def ended(number, frame):
    (ml / "model" / "saved").write_text("in time")
    sys.exit(0)
signal.signal(signal.SIGTERM, ended)
print("ready")
time.sleep(60)
""",
    "stubborn": """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready")
time.sleep(60)
""",
    "pipes": """
import shutil
for epoch in range(2):
    with open(ml / "input/data" / f"train_{epoch}", "rb") as pipe:
        (ml / "model" / str(epoch)).write_bytes(pipe.read())
with open(ml / "input/data/train_2", "rb") as pipe:
    pipe.read(1)
with open(ml / "input/data/train_3", "rb") as pipe:
    (ml / "model" / "3").write_bytes(pipe.read())
""",
    "links": """
(ml / "model" / "kept").write_text("kept")
(ml / "model" / "leak").symlink_to("/etc/hostname")
os.mkfifo(ml / "model" / "pipe")
(ml / "model" / os.fsdecode(b"z\\xff")).write_text("no name")
""",
    "large": """
for folder in ("model", "checkpoints"):
    (ml / folder / "weights").write_bytes(os.urandom(6_000_000))
print("ready", flush=True)
while not (ml / "checkpoints" / "go").exists():
    time.sleep(0.02)
""",
    "checkpoints": """
count = ml / "checkpoints" / "deep" / "count"
before = int(count.read_text()) if count.exists() else 0
count.parent.mkdir(exist_ok=True)
count.write_text(str(before + 1))
""",
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, PROGRAMS)
    yield made
    made.close()


def test_a_container_gets_its_input_and_leaves_model_output_metrics_and_log(world: World) -> None:
    for name in ("train/a.txt", "train/sub/b.txt", "trainer.txt", "train/empty/"):
        world.put(f"in/{name}", name.encode())
    training = world.create(
        "test/echo",
        AlgorithmSpecification={
            "MetricDefinitions": [
                {"Name": "loss", "Regex": r"loss=([0-9.]+)"},
                {"Name": "accuracy", "Regex": r"accuracy=(\S+)"},
            ]
        },
        HyperParameters={"epochs": "3"},
        InputDataConfig=[channel("train", f"s3://{BUCKET}/in/train/", ContentType="text/plain")],
    )
    job = world.run(training)
    assert job.status is TrainingStatus.COMPLETED
    assert [entry.stage for entry in job.stages] == [
        Stage.STARTING, Stage.DOWNLOADING, Stage.TRAINING, Stage.UPLOADING, Stage.COMPLETED,
    ]  # fmt: skip
    assert all(entry.ended is not None for entry in job.stages)
    assert job.artifacts == f"s3://{BUCKET}/out/job/output/model.tar.gz"
    assert [(one.name, one.value) for one in job.metrics] == [("loss", 0.3333)]
    assert "epoch 2 loss=0.3333 accuracy=none" in world.lines()
    seen = json.loads(unpacked(world.read("out/job/output/model.tar.gz"))["seen.json"])
    assert seen["arguments"] == ["train"]
    assert seen["name"] == "job"
    files = seen["input"]
    assert {name: text for name, text in files.items() if name.startswith("data/")} == {
        "data/train/a.txt": "train/a.txt",
        "data/train/sub/b.txt": "train/sub/b.txt",
    }
    assert json.loads(files["config/hyperparameters.json"]) == {"epochs": "3"}
    assert json.loads(files["config/inputdataconfig.json"]) == {
        "train": {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            "ContentType": "text/plain",
        }
    }
    assert json.loads(files["config/resourceconfig.json"])["hosts"] == ["algo-1"]
    assert unpacked(world.read("out/job/output/output.tar.gz")) == {"notes.txt": b"notes"}
    assert list(world.root.iterdir()) == []


def test_the_same_training_stores_the_same_bytes(world: World) -> None:
    stored = []
    for _ in range(2):
        training = world.create("test/echo")
        world.run(training)
        stored.append(world.read("out/job/output/model.tar.gz"))
        with world.store.write() as connection:
            trainings.remove(connection, training)
    assert stored[0] == stored[1]


def test_entry_point_and_arguments_take_the_place_of_train(world: World) -> None:
    world.run(world.create("test/echo", "a", AlgorithmSpecification={"ContainerArguments": ["--x", "1"]}))
    world.run(world.create("test/echo", "b", AlgorithmSpecification={"ContainerEntrypoint": ["run"]}))
    assert [(spec.entrypoint, spec.command) for spec in world.processes.specs] == [(None, ("--x", "1")), (("run",), ())]


def test_a_failure_carries_the_programs_own_words_and_its_metrics(world: World) -> None:
    metrics = {"MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}]}
    job = world.run(world.create("test/fail", AlgorithmSpecification=metrics))
    assert job.status is TrainingStatus.FAILED
    assert job.failure == "AlgorithmError: the data has no labels, exit code: 3"
    assert [one.value for one in job.metrics] == [0.5]
    assert job.artifacts is None


def test_an_image_that_nothing_runs_fails_by_name(world: World) -> None:
    job = world.run(world.create("elsewhere/image:1"))
    assert job.failure is not None
    assert job.failure.startswith("ClientError: nothing here runs the image elsewhere/image:1")


@pytest.mark.parametrize(("image", "saved"), [("wait", {"saved": b"in time"}), ("stubborn", {})])
def test_a_stopped_training_has_its_time_and_keeps_what_it_saved(
    world: World, image: str, saved: dict[str, bytes]
) -> None:
    world.stop_seconds = 30.0 if saved else 0.3
    training = world.create(f"test/{image}")
    job = world.run_and_stop(training)
    assert job.status is TrainingStatus.STOPPED
    assert [entry.stage for entry in job.stages][-3:] == [Stage.STOPPING, Stage.UPLOADING, Stage.STOPPED]
    assert job.artifacts is not None
    assert unpacked(world.read("out/job/output/model.tar.gz")) == saved


def test_a_training_over_its_time_is_stopped_with_what_it_saved(world: World) -> None:
    training = world.create("test/wait", StoppingCondition={"MaxRuntimeInSeconds": 6})
    job = world.run(training)
    assert (job.status, job.stage) == (TrainingStatus.STOPPED, Stage.MAX_RUNTIME_EXCEEDED)
    assert unpacked(world.read("out/job/output/model.tar.gz")) == {"saved": b"in time"}


def test_one_that_was_stopped_before_it_began_just_stops(world: World) -> None:
    training = world.create("test/echo")
    with world.store.write() as connection:
        trainings.change_status(connection, training, TrainingStatus.STOPPING, Stage.STOPPING, system_clock())
    job = world.run(training)
    assert job.status is TrainingStatus.STOPPED
    assert world.processes.specs == []


def test_a_worker_that_goes_down_ends_the_container_and_the_next_attempt_starts_again(world: World) -> None:
    training = world.create("test/wait")

    def leave(stage: str) -> None:
        if stage == "training":
            raise JobCancelled("the worker is stopping")

    with pytest.raises(JobCancelled):
        world.run(training, on_progress=leave)
    assert world.job(training).status is TrainingStatus.IN_PROGRESS
    assert list(world.root.iterdir()) == []
    with world.store.write() as connection:
        trainings.change_status(connection, training, TrainingStatus.STOPPING, Stage.STOPPING, system_clock())
    job = world.run(training, attempt=2)
    assert job.status is TrainingStatus.STOPPED
    assert Stage.RESTARTING in [entry.stage for entry in job.stages]


def test_links_pipes_and_nameless_files_in_the_model_are_left_out_and_said_to_be(world: World) -> None:
    world.run(world.create("test/links"))
    assert unpacked(world.read("out/job/output/model.tar.gz")) == {"kept": b"kept"}
    left_out = [line for line in world.lines() if "left out" in line]
    assert [line.split()[0] for line in left_out] == ["leak", "pipe", "z?"]


def test_an_uncompressed_model_is_stored_file_by_file(world: World) -> None:
    output = {"S3OutputPath": f"s3://{BUCKET}", "CompressionType": "NONE"}
    job = world.run(world.create("test/echo", OutputDataConfig=output))
    assert job.artifacts == f"s3://{BUCKET}/job/output/model/"
    assert json.loads(world.read("job/output/model/seen.json"))["name"] == "job"
    assert world.read("job/output/data/notes.txt") == b"notes"


def test_checkpoints_come_back_to_the_next_training(world: World) -> None:
    for number in (1, 2):
        config = {"S3Uri": f"s3://{BUCKET}/kept/", "LocalPath": "/opt/ml/checkpoints"}
        world.run(world.create("test/checkpoints", f"job-{number}", CheckpointConfig=config))
        assert world.read("kept/deep/count") == str(number).encode()


def test_results_and_checkpoints_wait_for_room_on_the_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_monitor, "_ROOM_PAUSE", 0.01)
    monkeypatch.setattr(training_container, "_SYNC_SECONDS", 0.1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    stages = []

    def progress(stage: str) -> None:
        stages.append(stage)
        if stage == "training":
            resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, hard))
            if any("checkpoints wait: The disk" in line for line in world.lines()):
                (folder,) = world.root.glob("*/checkpoints")
                (folder / "go").touch()
        if stage.startswith("waiting"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    config = {"S3Uri": f"s3://{BUCKET}/kept/", "LocalPath": "/opt/ml/checkpoints"}
    try:
        job = world.run(world.create("test/large", CheckpointConfig=config), on_progress=progress)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (job.status, job.failure) == (TrainingStatus.COMPLETED, None)
    assert "waiting for room on the disk" in stages
    archive = world.read((job.artifacts or "").removeprefix(f"s3://{BUCKET}/"))
    assert len(unpacked(archive)["weights"]) == 6_000_000
    assert len(world.read("kept/weights")) == 6_000_000


def test_pipes_stream_every_epoch_and_outlive_a_reader_that_closes_early(world: World) -> None:
    for number in range(20):
        world.put(f"in/{number:02}", bytes([number]) * 50_000)
    whole = b"".join(bytes([number]) * 50_000 for number in range(20))
    training = world.create("test/pipes", InputDataConfig=[channel("train", f"s3://{BUCKET}/in/", InputMode="Pipe")])
    job = world.run(training)
    assert job.failure is None
    assert unpacked(world.read("out/job/output/model.tar.gz")) == {"0": whole, "1": whole, "3": whole}


def test_pipes_shuffle_anew_for_each_epoch_and_the_same_way_for_the_same_seed(world: World) -> None:
    for number in range(20):
        world.put(f"in/{number:02}", gzip.compress(bytes([number])))
    stored = []
    for name in ("one", "two"):
        piped = channel(
            "train", f"s3://{BUCKET}/in/", InputMode="Pipe", CompressionType="Gzip", ShuffleConfig={"Seed": 7}
        )
        assert world.run(world.create("test/pipes", name, InputDataConfig=[piped])).failure is None
        stored.append(unpacked(world.read(f"out/{name}/output/model.tar.gz")))
    assert stored[0] == stored[1]
    assert stored[0]["0"] != stored[0]["1"]
    assert sorted(stored[0]["0"]) == sorted(stored[0]["1"]) == list(range(20))


def test_an_augmented_manifest_is_one_record_for_each_attribute_in_order(world: World) -> None:
    magic = b"\x0a\x23\xd7\xce"
    images = [b"abcd" + magic + b"tail", b"x" + magic, magic]
    lines = []
    for number, image in enumerate(images):
        uri = world.put(f"images/{number}.jpg", image)
        lines.append({"note": "left out", "label": number, "source-ref": uri, "label-metadata": {"name": "é"}})
    manifest = world.put("set.manifest", "\n".join(json.dumps(line) for line in lines).encode() + b"\n\n")
    source = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["source-ref", "label-metadata", "label"]}
    piped = channel("train", manifest, InputMode="Pipe", RecordWrapperType="RecordIO", source=source)
    assert world.run(world.create("test/pipes", InputDataConfig=[piped])).failure is None
    stream = unpacked(world.read("out/job/output/model.tar.gz"))["0"]
    found = [record.payload for record in records(io.BytesIO(stream), Split.RECORDIO, 10**6)]
    expected: list[bytes] = []
    for number, image in enumerate(images):
        expected += [image, '{"name": "é"}'.encode(), str(number).encode()]
    assert found == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"source-ref": "s3://data/there"}', "line 1 of s3://data/set.manifest lacks the attributes label"),
        ('{"source-ref": "s3://data/missing", "label": 1}', "s3://data/missing"),
        ("[]", "line 1 of s3://data/set.manifest is not a JSON object"),
    ],
)
def test_a_pipe_that_cannot_go_on_fails_the_training(world: World, line: str, reason: str) -> None:
    world.put("there", b"image")
    manifest = world.put("set.manifest", line.encode())
    source = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["source-ref", "label"]}
    piped = channel("train", manifest, InputMode="Pipe", RecordWrapperType="RecordIO", source=source)
    job = world.run(world.create("test/pipes", InputDataConfig=[piped]))
    assert job.failure is not None
    assert job.failure.startswith("ClientError: ")
    assert reason in job.failure


@pytest.mark.parametrize("key", ["in/../up", "in//gap", "in/./dot", f"in/{'n' * 256}"])
def test_keys_that_are_no_paths_are_refused(world: World, key: str) -> None:
    world.put(key, b"x")
    job = world.run(world.create("test/echo", InputDataConfig=[channel("train", f"s3://{BUCKET}/in/")]))
    assert job.failure is not None
    assert "is no plain relative path" in job.failure


def test_a_manifest_file_names_the_objects(world: World) -> None:
    for name in ("a", "b", "c"):
        world.put(f"in/{name}", name.encode())
    manifest = world.put("list.json", json.dumps([{"prefix": f"s3://{BUCKET}/in/"}, "c", "a"]).encode())
    files = channel("train", manifest, source={"S3DataType": "ManifestFile"})
    world.run(world.create("test/echo", InputDataConfig=[files]))
    seen = json.loads(unpacked(world.read("out/job/output/model.tar.gz"))["seen.json"])["input"]
    assert {name for name in seen if name.startswith("data/")} == {"data/train/a", "data/train/c"}


def test_a_script_in_a_bucket_is_brought_in(world: World) -> None:
    uri = world.put("scripts/sourcedir.tar.gz", b"scripts")
    given = {"sagemaker_submit_directory": json.dumps(uri), "sagemaker_program": '"train.py"'}
    job = world.run(world.create("test/echo", HyperParameters=given))
    files = json.loads(unpacked(world.read("out/job/output/model.tar.gz"))["seen.json"])["input"]
    inside = {"sagemaker_submit_directory": '"/opt/ml/input/data/code/sourcedir.tar.gz"'}
    assert json.loads(files["config/hyperparameters.json"]) == given | inside
    assert files["data/code/sourcedir.tar.gz"] == "scripts"
    assert job.definition["HyperParameters"] == given
    missing = {"sagemaker_submit_directory": f"s3://{BUCKET}/missing.tar.gz"}
    failed = world.run(world.create("test/echo", "other", HyperParameters=missing))
    assert failed.failure is not None
    assert "missing.tar.gz" in failed.failure


def test_what_a_killed_server_left_is_removed(tmp_path: Path) -> None:
    sweep(tmp_path / "training")
    (tmp_path / "training" / "1.abc" / "model").mkdir(parents=True)
    sweep(tmp_path / "training")
    assert list((tmp_path / "training").iterdir()) == []
