"""The commands as a user types them, on a data folder that a server has used."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper

from relook.cli import main
from relook.core.clock import system_clock
from relook.datafolder import DataFolder
from relook.jobs import queue
from relook.jobs.states import JobState
from relook.store.engine import Store
from relook.store.tables.jobs import jobs as rows


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.create()
    return folder


@pytest.fixture
def job_id(folder: DataFolder) -> str:
    """Of a training that is queued."""
    store = Store.open(folder.database)
    with store.write() as connection:
        subject = "arn:aws:lookoutvision:us-east-1:000000000000:model/boards/1"
        job = queue.enqueue(
            connection, kind="training", lane="training", subject=subject, payload={}, now=system_clock()
        )
        queue.add_event(connection, job, 1, system_clock(), "Weights: resnet18")
    store.close()
    return job


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_help_lists_every_command_with_what_it_does() -> None:
    text = run("--help").output
    for name in ("serve", "env", "api", "check", "demo", "doctor", "export", "jobs", "sdk", "weights"):
        assert f"\n  {name} " in text
    assert "_worker" not in text
    assert "_job" not in text


@pytest.mark.parametrize("name", ["serve", "env", "api", "check", "demo", "doctor", "export", "jobs", "sdk", "weights"])
def test_each_command_has_help(name: str) -> None:
    done = run(name, "--help")
    assert done.exit_code == 0
    assert done.output.startswith("Usage: ")


def test_an_unknown_command_is_a_usage_error() -> None:
    assert run("train").exit_code == 2


def test_jobs_lists_what_is_queued(folder: DataFolder, job_id: str) -> None:
    [job] = json.loads(run("jobs", "--data", folder.root, "--json").stdout)
    assert (job["id"], job["kind"], job["state"]) == (job_id, "training", "QUEUED")
    assert job["subject"].endswith("model/boards/1")
    heading, line, arn = run("jobs", "--data", folder.root).stdout.splitlines()
    assert heading.split() == ["job", "kind", "state", "took", "progress"]
    assert line.split()[:3] == [job_id[:12], "training", "QUEUED"]
    assert arn.strip() == job["subject"]
    assert len(heading) <= 80


def test_an_arn_stays_in_one_piece_on_a_narrow_terminal(
    folder: DataFolder, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    subject = f"arn:aws:rekognition:us-east-1:000000000000:project/{'p' * 100}/version/{'v' * 100}/1700000000000"
    change_row(folder, job_id, subject=subject, reason="The manifest file contains too many invalid rows.")
    lines = run("jobs", "--data", folder.root).stdout.splitlines()
    assert [line.strip() for line in lines[2:]] == [subject, "The manifest file contains too many invalid rows."]


def test_jobs_that_have_not_ended_are_listed_beside_the_newest(folder: DataFolder, job_id: str) -> None:
    store = Store.open(folder.database)
    with store.write() as connection:
        ids = [job_id]
        for _ in range(23):
            ids.append(queue.enqueue(connection, kind="k", lane="l", subject="s", payload={}, now=system_clock()))
        done = [each for number, each in enumerate(ids) if number not in (0, 2, 23)]
        connection.execute(rows.update().where(rows.c.id.in_(done)).values(state=JobState.SUCCEEDED))
        connection.execute(rows.update().where(rows.c.id == ids[2]).values(state=JobState.RUNNING))
    store.close()
    newest = ids[:3:-1]
    for options, expected in ((), [*newest, ids[2], ids[0]]), (("--limit", "1"), [ids[23], ids[2], ids[0]]):
        listed = json.loads(run("jobs", "--data", folder.root, "--json", *options).stdout)
        assert [job["id"] for job in listed] == expected


def change_row(folder: DataFolder, job_id: str, **values: object) -> None:
    store = Store.open(folder.database)
    with store.write() as connection:
        connection.execute(rows.update().where(rows.c.id == job_id).values(**values))
    store.close()


def start_row(folder: DataFolder, job_id: str) -> None:
    """As a worker leaves it that was killed."""
    stage = "train, at most 2 min left"
    change_row(folder, job_id, state=JobState.RUNNING, started=system_clock(), stage=stage, done=3, total=10)


def test_jobs_say_when_no_server_runs(folder: DataFolder, job_id: str) -> None:
    start_row(folder, job_id)
    lying = run("jobs", "--data", folder.root)
    assert lying.stdout.splitlines()[1].split()[2:] == ["RUNNING", "waits", "for", "a", "server"]
    assert f"no server runs on {folder.root}: its jobs wait" in lying.stderr
    for arguments in (["show", job_id], ["show", job_id, "--json"], ["cancel", job_id]):
        done = run("jobs", *arguments, "--data", folder.root)
        assert "no server runs on" in done.stderr
        assert "min left" not in done.stdout
    with folder.hold():
        served = run("jobs", "--data", folder.root)
        assert served.stdout.splitlines()[1].endswith(" s  train, at most 2 min left 3/10")
        assert served.stderr == ""
        shown = json.loads(run("jobs", "show", job_id, "--json", "--data", folder.root).output)
        assert shown["stage"] == "train, at most 2 min left"


def test_a_job_that_has_ended_has_no_time_left_and_waits_for_no_server(folder: DataFolder, job_id: str) -> None:
    start_row(folder, job_id)
    change_row(folder, job_id, state=JobState.SUCCEEDED, finished=system_clock())
    with folder.hold():
        assert json.loads(run("jobs", "show", job_id, "--json", "--data", folder.root).output)["stage"] == "train"
    shown = run("jobs", "show", job_id, "--data", folder.root)
    assert "stage: train\n" in shown.stdout
    assert shown.stderr == ""


def test_options_before_a_subcommand_of_jobs_count(folder: DataFolder, job_id: str, tmp_path: Path) -> None:
    shown = run("jobs", "--data", folder.root, "--json", "show", job_id)
    assert json.loads(shown.stdout)["id"] == job_id
    assert "was asked for" in run("jobs", "--data", folder.root, "cancel", job_id).stdout
    nearer = run("jobs", "--data", tmp_path / "other", "show", job_id, "--data", folder.root)
    assert nearer.stdout.startswith(f"id: {job_id}\n")
    for option in (["--limit", "3"], ["--json"]):
        refused = run("jobs", *option, "cancel", job_id, "--data", folder.root)
        assert refused.exit_code == 2
        assert f"{option[0]} is not for `relook jobs cancel`" in refused.stderr


def test_jobs_show_tells_the_events(folder: DataFolder, job_id: str) -> None:
    shown = json.loads(run("jobs", "show", job_id, "--data", folder.root, "--json").stdout)
    assert [event["message"] for event in shown["events"]] == ["queued", "Weights: resnet18"]
    assert "Weights: resnet18" in run("jobs", "show", job_id, "--data", folder.root).output


def test_jobs_cancel_asks_once_and_is_seen(folder: DataFolder, job_id: str) -> None:
    assert "was asked for" in run("jobs", "cancel", job_id, "--data", folder.root).output
    store = Store.open(folder.database)
    with store.read() as connection:
        job = queue.find(connection, job_id)
    store.close()
    assert job is not None
    assert job.cancel_requested


def test_the_beginning_of_an_id_is_enough(folder: DataFolder, job_id: str) -> None:
    shown = json.loads(run("jobs", "show", job_id[:6], "--data", folder.root, "--json").stdout)
    assert shown["id"] == job_id


def test_a_beginning_of_several_ids_is_refused(folder: DataFolder, job_id: str) -> None:
    store = Store.open(folder.database)
    with store.write() as connection:
        for _ in range(16):  # 17 ids of hexadecimal digits: two of them begin alike
            queue.enqueue(connection, kind="k", lane="l", subject="s", payload={}, now=system_clock())
        ids = [job.id for job in queue.list_jobs(connection)]
    store.close()
    shared = next(one[0] for one in ids if sum(other[0] == one[0] for other in ids) > 1)
    done = run("jobs", "show", shared, "--data", folder.root)
    assert done.exit_code == 1
    assert f"jobs begin with {shared}" in done.output


@pytest.mark.parametrize("verb", ["show", "cancel"])
def test_an_unknown_job_is_named(folder: DataFolder, job_id: str, verb: str) -> None:
    done = run("jobs", verb, "nonesuch", "--data", folder.root)
    assert done.exit_code == 1
    assert "there is no job nonesuch" in done.output


def test_jobs_of_a_folder_no_server_has_used(tmp_path: Path) -> None:
    done = run("jobs", "--data", tmp_path / "empty")
    assert done.exit_code == 1
    assert "no server has run on this data folder" in done.output
    assert not (tmp_path / "empty").exists()


def test_env_tells_a_server_that_starts_from_one_that_is_not_there(folder: DataFolder) -> None:
    none = run("env", "--data", folder.root)
    assert (none.exit_code, none.stdout) == (1, "")
    assert f"no server runs on {folder.root}: start one with relook serve --data {folder.root}" in none.stderr
    with folder.hold():
        assert f"the server on {folder.root} is starting" in run("env", "--data", folder.root).stderr


def small_backbone(path: Path) -> Path:
    """A real, tiny graph: two strided convolutions that end at stride 8."""
    weights = [
        helper.make_tensor("w1", TensorProto.FLOAT, [8, 3, 3, 3], [0.01 * (i % 7 - 3) for i in range(216)]),
        helper.make_tensor("w2", TensorProto.FLOAT, [16, 8, 3, 3], [0.01 * (i % 5 - 2) for i in range(1152)]),
    ]
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["half"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["half", "w2"], ["layer"], kernel_shape=[3, 3], strides=[4, 4], pads=[1, 1, 1, 1]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])
    layer = helper.make_tensor_value_info("layer", TensorProto.FLOAT, [1, 16, None, None])
    graph = helper.make_graph(nodes, "backbone", [image], [layer], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_weights_are_imported_into_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    data = tmp_path / "not" / "there"
    before = json.loads(run("weights", "show", "--data", data, "--json").stdout)
    assert (before["name"], before["warning"]) == ("relook-s", None)
    done = run("weights", "import", small_backbone(tmp_path / "mine.onnx"), "--data", data)
    assert done.exit_code == 0, done.output
    assert "imported mine: layer (stride 8, 16 channels)" in done.output
    after = json.loads(run("weights", "show", "--data", data, "--json").stdout)
    assert (after["name"], after["warning"]) == ("mine", None)


@pytest.mark.parametrize("content", [b"not a graph", b"PK\x03\x04 a zip", b""])
def test_what_is_no_backbone_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.onnx").write_bytes(content)
    done = run("weights", "import", tmp_path / "file.onnx", "--data", tmp_path / "data")
    assert done.exit_code == 1
    assert "file.onnx" in done.output
    assert "accepted are" in done.output


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    done = run("weights", "import", tmp_path / "gone.onnx", "--data", tmp_path / "data")
    assert done.exit_code == 1
    assert "gone.onnx cannot be read" in done.output


def test_doctor_speaks_json(tmp_path: Path) -> None:
    done = run("doctor", "--data", tmp_path / "data", "--json")
    names = {check["name"] for check in json.loads(done.stdout)}
    assert {"python", "cpu", "threads", "memory", "weights", "detectors"} <= {name.lower() for name in names}
