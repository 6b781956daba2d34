"""`train` of scripts in real sandboxes, with what the training toolkit gives them."""

from __future__ import annotations

import io
import json
import signal
import tarfile
import textwrap

import pytest

from relook.containers.api import Mount
from sandboxes import SECONDS, Running, Sandboxes, needs_sandbox

pytestmark = needs_sandbox

TELL = """
import json, os, sys
told = {"arguments": sys.argv[1:], "variables": {k: v for k, v in os.environ.items() if k.startswith("SM_")}}
told["data"] = open(os.environ["SM_CHANNEL_TRAINING"] + "/a.txt").read()
json.dump(told, open(os.environ["SM_MODEL_DIR"] + "/told.json", "w"))
open(os.environ["SM_OUTPUT_DATA_DIR"] + "/extra", "w").close()
print("loss: 0.5")
"""
PARAMETERS = {"epochs": "3", "lr": "0.5", "name": "a b", "flag": "true", "n": '"7"', "sagemaker_program": '"go.py"'}


def train(sandboxes: Sandboxes, code: str, parameters: dict[str, str] | None = None, **environment: str) -> Running:
    base = sandboxes.folder / "ml"
    for name in ("code", "input/config", "input/data/training", "out", "output/data"):
        (base / name).mkdir(parents=True)
    (base / "input/data/training/a.txt").write_text("the data")
    resources = {"current_host": "algo-1", "hosts": ["algo-1"], "current_instance_type": "ml.m5.large"}
    channels = {"training": {"TrainingInputMode": "File"}}
    for name, value in (
        ("hyperparameters", PARAMETERS if parameters is None else parameters),
        ("inputdataconfig", channels),
        ("resourceconfig", resources),
    ):
        (base / f"input/config/{name}.json").write_text(json.dumps(value))
    if code:
        (base / "code" / "go.py").write_text(textwrap.dedent(code))
    mounts = (
        Mount(base / "input", "/opt/ml/input"),
        Mount(base / "code", "/opt/ml/code"),
        Mount(base / "output", "/opt/ml/output", read_only=False),
    )
    return sandboxes.start(
        base / "out",
        command=("train",),
        environment=environment,
        mounts=(*mounts, Mount(base / "out", "/opt/ml/model", read_only=False)),
    )


def test_arguments_variables_channels_and_folders(sandboxes: Sandboxes) -> None:
    running = train(sandboxes, TELL)
    assert running.container.wait(SECONDS) == 0, running.log
    assert "loss: 0.5" in running.log.lines
    told = json.loads((sandboxes.folder / "ml/out/told.json").read_text())
    expected = ["--epochs", "3", "--flag", "True", "--lr", "0.5", "-n", "7", "--name", "a b"]
    assert told["arguments"] == expected
    assert told["data"] == "the data"
    variables = told["variables"]
    assert json.loads(variables["SM_HPS"]) == {"epochs": 3, "lr": 0.5, "name": "a b", "flag": True, "n": "7"}
    assert json.loads(variables["SM_USER_ARGS"]) == expected
    assert json.loads(variables["SM_CHANNELS"]) == ["training"]
    assert variables["SM_CHANNEL_TRAINING"] == "/opt/ml/input/data/training"
    assert (variables["SM_HP_EPOCHS"], variables["SM_HP_NAME"]) == ("3", "a b")
    assert (variables["SM_CURRENT_HOST"], json.loads(variables["SM_HOSTS"])) == ("algo-1", ["algo-1"])
    assert (variables["SM_NUM_GPUS"], variables["SM_MODEL_DIR"]) == ("0", "/opt/ml/model")
    assert json.loads(variables["SM_TRAINING_ENV"])["current_instance_type"] == "ml.m5.large"
    assert (sandboxes.folder / "ml/output/data/extra").exists()
    assert not (sandboxes.folder / "ml/output/failure").exists()


def test_a_script_that_fails_leaves_its_last_words(sandboxes: Sandboxes) -> None:
    running = train(sandboxes, "raise ValueError('no good')", {}, SAGEMAKER_PROGRAM="go.py")
    assert running.container.wait(SECONDS) == 1
    failure = (sandboxes.folder / "ml/output/failure").read_text()
    assert failure.startswith("ExecuteUserScriptError:\nExitCode 1\n")
    assert "ValueError: no good" in failure
    assert "ValueError: no good" in str(running.log)


def test_a_long_traceback_keeps_its_end_and_leaves_room_for_the_rest(sandboxes: Sandboxes) -> None:
    code = """
    def raising(times):
        return other(times) if times else int("9" * 100 + "no number")
    def other(times):
        return raising(times - 1)
    other(20)
    """
    running = train(sandboxes, code, {"sagemaker_program": "go.py", "long": "x" * 3000})
    assert running.container.wait(SECONDS) == 1
    failure = (sandboxes.folder / "ml/output/failure").read_text()
    assert len(failure) < 960
    assert 'no number\'\n"\nCommand "' in failure


def test_a_failure_that_the_script_tells_itself_stays(sandboxes: Sandboxes) -> None:
    running = train(sandboxes, "open('/opt/ml/output/failure', 'w').write('mine')\nraise SystemExit(4)")
    assert running.container.wait(SECONDS) == 4
    assert (sandboxes.folder / "ml/output/failure").read_text() == "mine"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "set SAGEMAKER_PROGRAM"),
        ({"sagemaker_program": "other.py"}, "'other.py', which is in none of"),
        (
            {"sagemaker_program": "other.py", "sagemaker_submit_directory": '"s3://b/source.tar.gz"'},
            "nothing is fetched from s3://b/source.tar.gz",
        ),
    ],
)
def test_a_script_that_is_not_there_is_told(sandboxes: Sandboxes, parameters: dict[str, str], words: str) -> None:
    running = train(sandboxes, "", parameters)
    assert running.container.wait(SECONDS) == 2
    assert words in (sandboxes.folder / "ml/output/failure").read_text()
    assert words in str(running.log)


def test_code_comes_out_of_an_archive_in_a_channel(sandboxes: Sandboxes) -> None:
    archive = sandboxes.folder / "source"
    archive.mkdir()
    with tarfile.open(archive / "sourcedir.tar.gz", "w:gz") as content:
        entry = tarfile.TarInfo("packed.py")
        text = b"import sys; print('from the archive', sys.argv[1:])"
        entry.size = len(text)
        content.addfile(entry, io.BytesIO(text))
    environment = {"SAGEMAKER_PROGRAM": "packed.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/source/sourcedir.tar.gz"}
    running = sandboxes.start(
        sandboxes.model(), command=("train",), environment=environment, mounts=(Mount(archive, "/source"),)
    )
    assert running.container.wait(SECONDS) == 0, running.log
    assert running.log.lines[-1] == "from the archive []"


def test_stop_reaches_the_script(sandboxes: Sandboxes) -> None:
    code = """
    import os, signal, sys
    def stopped(*_):
        open(os.environ["SM_MODEL_DIR"] + "/saved", "w").close()
        sys.exit(5)
    signal.signal(signal.SIGTERM, stopped)
    print("training", flush=True)
    signal.pause()
    """
    running = train(sandboxes, code)
    running.log.wait_for("training")
    assert running.container.stop(SECONDS) == 5
    assert (sandboxes.folder / "ml/out/saved").exists()


def test_a_script_that_is_killed_has_the_signals_status(sandboxes: Sandboxes) -> None:
    running = train(sandboxes, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert running.container.wait(SECONDS) == 128 + signal.SIGKILL
    assert "ExitCode -9" in (sandboxes.folder / "ml/output/failure").read_text()
