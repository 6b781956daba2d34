"""`train`: the user's script with the arguments and SM_ variables that SageMaker's training toolkit gives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from relook.containers.embedded.host.supervisor import Supervisor

_KEPT_LINES = 20
"""Of what the script wrote to standard error last, for the failure's reason."""
_KEPT_CHARACTERS, _COMMAND_CHARACTERS = 600, 200
"""The reason has 1024 for all; a traceback ends in what went wrong, so its end is kept."""


class TrainingSetupError(Exception):
    """The script cannot be found or run; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Job:
    """What `/opt/ml/input/config` says. `parameters` are the script's own; `toolkit` those named sagemaker_*."""

    base: Path
    parameters: Mapping[str, Any]
    toolkit: Mapping[str, Any]
    channels: Mapping[str, Any]
    resources: Mapping[str, Any]

    @classmethod
    def read(cls, base: Path) -> Job:
        """TrainingSetupError for a file that is no JSON object."""
        said = {name: _value(text) for name, text in _configuration(base, "hyperparameters").items()}
        mine = {name: value for name, value in said.items() if not name.startswith("sagemaker_")}
        toolkit = {name: value for name, value in said.items() if name not in mine}
        return cls(base, mine, toolkit, _configuration(base, "inputdataconfig"), _configuration(base, "resourceconfig"))


def run(environment: Mapping[str, str]) -> int:
    """The script's exit status. Raises TrainingSetupError, having written the failure file."""
    base = Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    try:
        job = Job.read(base)
        script = _script(job, environment)
        _folders(base)
    except TrainingSetupError as error:
        _failure(base, str(error))
        raise
    arguments = _arguments(job.parameters)
    variables = _variables(job, script, arguments)
    path = [str(script.parent), *filter(None, [environment.get("PYTHONPATH")])]
    return Supervisor(
        lambda: os._exit(
            _watch(
                [*_interpreter(script), str(script), *arguments],
                script.parent,
                dict(environment) | variables | {"PYTHONPATH": os.pathsep.join(path)},
                base,
            )
        )
    ).run()


def _watch(command: list[str], folder: Path, environment: dict[str, str], base: Path) -> int:
    """Run it, pass on what it says, and write why it failed where it has not done so itself."""
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE)

    def stop(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGTERM, stop)
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    assert process.stderr is not None
    for line in process.stderr:
        sys.stderr.buffer.write(line)
        last.append(line.decode("utf-8", "replace"))
    status = process.wait()
    if status != 0:
        said, asked = "".join(last)[-_KEPT_CHARACTERS:], " ".join(command)[:_COMMAND_CHARACTERS]
        _failure(base, f'ExecuteUserScriptError:\nExitCode {status}\nErrorMessage "{said}"\nCommand "{asked}"')
    return status if status >= 0 else 128 - status


def _script(job: Job, environment: Mapping[str, str]) -> Path:
    name = environment.get("SAGEMAKER_PROGRAM") or job.toolkit.get("sagemaker_program")
    submitted = environment.get("SAGEMAKER_SUBMIT_DIRECTORY") or job.toolkit.get("sagemaker_submit_directory") or ""
    if not name:
        raise TrainingSetupError("there is nothing to run: set SAGEMAKER_PROGRAM to a script of the code")
    folders = [job.base / "code", job.base / "input" / "data" / "code"]
    submitted = str(submitted).removeprefix("file://")
    if submitted.endswith(".tar.gz") and submitted.startswith("/"):
        _unpack(Path(submitted), folders[0])
    elif submitted.startswith("/"):
        folders.insert(0, Path(submitted))
    for folder in folders:
        if (script := folder / str(name)).is_file():
            return script
    where = ", ".join(map(str, folders))
    hint = f"; nothing is fetched from {submitted} inside the container" if submitted.startswith("s3:") else ""
    raise TrainingSetupError(f"SAGEMAKER_PROGRAM is {name!r}, which is in none of {where}{hint}")


def _unpack(archive: Path, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive, "r:gz") as content:
            content.extractall(folder, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise TrainingSetupError(f"the code in {archive} cannot be unpacked: {error}") from error


def _folders(base: Path) -> None:
    for name in ("model", "output/data", "output/intermediate", "input/data", "input/config"):
        (base / name).mkdir(parents=True, exist_ok=True)


def _interpreter(script: Path) -> list[str]:
    return ["/bin/sh"] if script.suffix == ".sh" else [sys.executable]


def _arguments(parameters: Mapping[str, Any]) -> list[str]:
    """`--name value`, `-n value` for names of one letter, by name."""
    every: list[str] = []
    for name in sorted(parameters):
        every += [f"-{name}" if len(name) == 1 else f"--{name}", str(parameters[name])]
    return every


def _variables(job: Job, script: Path, arguments: list[str]) -> dict[str, str]:
    base, data = job.base, job.base / "input" / "data"
    hosts = job.resources.get("hosts", ["algo-1"])
    values: dict[str, Any] = {
        "MODEL_DIR": base / "model",
        "INPUT_DIR": base / "input",
        "INPUT_CONFIG_DIR": base / "input" / "config",
        "OUTPUT_DIR": base / "output",
        "OUTPUT_DATA_DIR": base / "output" / "data",
        "OUTPUT_INTERMEDIATE_DIR": base / "output" / "intermediate",
        "MODULE_NAME": script.stem,
        "MODULE_DIR": script.parent,
        "USER_ENTRY_POINT": script.name,
        "USER_ARGS": arguments,
        "HPS": dict(job.parameters),
        "CHANNELS": sorted(job.channels),
        "INPUT_DATA_CONFIG": dict(job.channels),
        "RESOURCE_CONFIG": dict(job.resources),
        "FRAMEWORK_PARAMS": dict(job.toolkit),
        "HOSTS": hosts,
        "CURRENT_HOST": job.resources.get("current_host", hosts[0]),
        "CURRENT_INSTANCE_TYPE": job.resources.get("current_instance_type", ""),
        "CURRENT_INSTANCE_GROUP": job.resources.get("current_group_name", ""),
        "NETWORK_INTERFACE_NAME": job.resources.get("network_interface_name", "lo"),
        "NUM_CPUS": len(os.sched_getaffinity(0)),
        "NUM_GPUS": 0,
        "LOG_LEVEL": job.toolkit.get("sagemaker_container_log_level", 20),
    }
    values["TRAINING_ENV"] = {name.lower(): value for name, value in values.items()}
    values |= {f"CHANNEL_{name.upper()}": data / name for name in job.channels}
    values |= {f"HP_{name.upper().replace('-', '_')}": value for name, value in job.parameters.items()}
    return {f"SM_{name}": _said(value) for name, value in values.items()}


def _said(value: Any) -> str:
    if isinstance(value, str | Path):
        return str(value)
    return json.dumps(value, sort_keys=True, default=str)


def _configuration(base: Path, name: str) -> dict[str, Any]:
    file = base / "input" / "config" / f"{name}.json"
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise TrainingSetupError(f"{file} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise TrainingSetupError(f"{file} holds no JSON object")
    return found


def _value(text: Any) -> Any:
    """Hyperparameters come as text; what reads as JSON is meant as its value."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _failure(base: Path, text: str) -> None:
    file = base / "output" / "failure"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.write_text(text, encoding="utf-8")
