"""What can be set: flags over environment (RELOOK_*) over the data folder's relook.toml over defaults.

SettingsError    a value that cannot be used; the message names the setting, the rule and where it came from

Read by `app` and `cli` alone, which hand values down; nothing else looks at the environment.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import platformdirs

from relook.core.identity import ACCOUNT_PATTERN, REGION_PATTERN

FILE = "relook.toml"
PREFIX = "RELOOK_"
_READ_ELSEWHERE = ("DATA", "SERVER_PYTHONPATH", "AWSCLI", "AWSCLI2", "SAGEMAKER2_PYTHON", "SAGEMAKER3_PYTHON")
"""In the environment beside the settings: the data folder, and what the tests are told."""
DEVICES = ("auto", "cpu", "gpu")
PRECISIONS = ("auto", "f32", "bf16", "int8")


class SettingsError(Exception):
    """A setting cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a server can be told. `data` is the data folder; it cannot be set in the file, which lies in it."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8484
    """0 takes any free port."""
    account: str = "000000000000"
    """The 12-digit account of the administrator."""
    region: str = "us-east-1"
    """What `relook env` exports; the server itself answers in any region."""
    s3_host: str = ""
    """Host name under which S3 also takes virtual-host addresses (bucket.name); path style works always."""
    trainings: int = 2
    """Trainings at once; one more is ServiceQuotaExceededException."""
    inference_units: int = 5
    """The most inference units of one model."""
    unit_threads: int = 1
    """Threads of one inference unit."""
    device: str = "auto"
    """Where inference units compute: on a GPU if one opens (auto), on the cpu, or on a gpu and nowhere else."""
    precision: str = "auto"
    """What new models compute in: bf16 where the CPU has it, else f32 (auto), f32, bf16 or int8."""
    relaxed_minimums: bool = False
    """Train on fewer images than the original demanded."""
    container_engine: str = "auto"
    """Docker or Podman: the first that answers (auto), the one at unix:///path of its socket, or none."""
    pull_images: bool = False
    """Fetch container images that are not on this machine from their registries."""
    drain_seconds: int = 30
    """How long requests in flight may take once the server was told to end."""
    images: dict[str, str] = field(default_factory=dict)
    """What to run in an image's place: builtin/<runtime>, another image, or engine to take it as it is."""
    sandbox_network: bool = False
    """Give sandboxes of the built-in runtimes the machine's network, unless the model asks for isolation."""
    endpoint_instances: int = 64
    """The most instances of all SageMaker endpoints together."""
    endpoint_idle_seconds: int = 0
    """Without an invocation for so long, an endpoint's containers stop until the next one; 0 keeps them running."""
    invocation_mib: int = 6
    """The most MiB of a body of InvokeEndpoint, in either direction."""
    anomaly_minutes: int = 30
    """How long training an anomaly model should take."""
    anomaly_milliseconds: int = 0
    """How long an answer of a new anomaly model may take on one thread of this CPU; 0 asks for accuracy alone."""
    classifier_minutes: int = 10
    """How long training an image classifier of Custom Labels may take."""
    detector_minutes: int = 30
    """How long training an object detector of Custom Labels may take."""
    detector_steps: int = 0
    """So many steps train an object detector, if there is time for them; 0 takes as many as there is time for."""
    detector_mirroring: bool = True
    """Train object detectors on mirrored images, too, where labels and boxes allow it; false never does."""
    label_projects: int = 100
    """The most Custom Labels projects of an account in a region."""
    label_versions: int = 100
    """The most model versions of a Custom Labels project."""
    label_running: int = 2
    """The most Custom Labels models of an account in a region that run at once."""
    label_policies: int = 5
    """The most policies of a Custom Labels project."""

    def dump(self) -> str:
        """JSON for the worker and the jobs, which must run under the server's own settings."""
        return json.dumps(asdict(self) | {"data": str(self.data)})

    @classmethod
    def restore(cls, text: str) -> Settings:
        values = json.loads(text)
        return cls(**values | {"data": Path(values["data"])})


def refuse_unknown() -> None:
    """Raises SettingsError where the environment has a RELOOK_ variable that nothing reads: a misspelt setting."""
    known = [PREFIX + name for name in (*map(str.upper, _NAMES), *_READ_ELSEWHERE)]
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsError("; ".join(_unknown(name, known) for name in unknown))


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1, cutoff=0.8)
    advice = f"did you mean {near[0]}?" if near else f"settings are {', '.join(_NAMES)}"
    return f"{name} is in the environment, but there is no such setting: {advice}"


def default_data() -> Path:
    """The data folder of this user: RELOOK_DATA, else the platform's usual place."""
    named = os.environ.get(PREFIX + "DATA")
    return Path(named).expanduser() if named else usual_data()


def usual_data() -> Path:
    """The platform's usual place, which every shell of this user takes unless told otherwise."""
    return platformdirs.user_data_path("relook", appauthor=False)


def load(data: Path | None = None, **flags: Any) -> Settings:
    """Settings for a data folder. Flags that are None count as not given. Raises SettingsError."""
    folder = (data or default_data()).expanduser().absolute()
    settings = Settings(folder)
    settings = _merge(settings, _from_file(folder / FILE), str(folder / FILE))
    settings = _merge(settings, _from_environment(os.environ), "the environment")
    settings = _merge(settings, {name: value for name, value in flags.items() if value is not None}, "the command line")
    _check(settings)
    return settings


_NAMES = {each.name: str(each.type).partition("[")[0] for each in fields(Settings) if each.name != "data"}


_COUNTED = [name for name in _NAMES if name.startswith("label_") or name.endswith("_minutes")]


def _from_file(path: Path) -> Mapping[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):  # of the folder itself, the server says what is wrong
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read as TOML: {error}") from error
    for name in values:
        if name not in _NAMES:
            raise SettingsError(f"{path}: there is no setting {name!r}; there are {', '.join(_NAMES)}")
    return values


def _from_environment(environment: Mapping[str, str]) -> Mapping[str, Any]:
    found = {name: environment[PREFIX + name.upper()] for name in _NAMES if PREFIX + name.upper() in environment}
    return {name: _parse(name, text) for name, text in found.items()}


def _parse(name: str, text: str) -> Any:
    kind = _NAMES[name]
    if kind == "int" and text.lstrip("-").isdigit():
        return int(text)
    if kind == "bool" and text.lower() in ("true", "false", "1", "0"):
        return text.lower() in ("true", "1")
    if kind == "dict" and text.startswith("{"):
        with contextlib.suppress(ValueError):
            return json.loads(text)
    return text  # of the wrong type where it could not be read; _merge says so


def _merge(settings: Settings, values: Mapping[str, Any], source: str) -> Settings:
    for name, value in values.items():
        if type(value).__name__ != _NAMES[name]:
            raise SettingsError(f"{name} is {value!r} in {source}: it takes {_A[_NAMES[name]]}")
    return replace(settings, **values)


_A = {"int": "a whole number", "bool": "true or false", "str": "text", "dict": "a table of texts"}


def _check(settings: Settings) -> None:
    rules = [
        ("port", 0 <= settings.port <= 65535, "a port from 0 (any free one) to 65535"),
        ("account", bool(ACCOUNT_PATTERN.fullmatch(settings.account)), "12 digits"),
        ("region", bool(REGION_PATTERN.fullmatch(settings.region)), "a region name such as eu-central-1"),
        ("s3_host", ":" not in settings.s3_host and "/" not in settings.s3_host, "a host name without port"),
        ("trainings", settings.trainings >= 1, "at least 1"),
        ("inference_units", settings.inference_units >= 1, "at least 1"),
        ("unit_threads", settings.unit_threads >= 1, "at least 1"),
        ("device", settings.device in DEVICES, f"one of {', '.join(DEVICES)}"),
        ("precision", settings.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
        ("container_engine", _is_engine(settings.container_engine), "auto, none, or unix:///path of a socket"),
        ("drain_seconds", settings.drain_seconds >= 0, "0 or more"),
        ("images", all(isinstance(each, str) for each in settings.images.values()), "a table of image names"),
        ("endpoint_instances", settings.endpoint_instances >= 1, "at least 1"),
        ("endpoint_idle_seconds", settings.endpoint_idle_seconds >= 0, "0 or more"),
        ("anomaly_milliseconds", settings.anomaly_milliseconds >= 0, "0 or more"),
        ("detector_steps", settings.detector_steps >= 0, "0 or more"),
        ("invocation_mib", 1 <= settings.invocation_mib <= 100, "1 to 100"),
        *((name, getattr(settings, name) >= 1, "at least 1") for name in _COUNTED),
    ]
    for name, fine, rule in rules:
        if not fine:
            raise SettingsError(f"{name} is {getattr(settings, name)!r}: it takes {rule}")
    if (settings.device, settings.precision) == ("gpu", "int8"):
        raise SettingsError(
            "device is 'gpu' and precision 'int8': no GPU serves int8 models; take device auto or cpu, or another "
            "precision"
        )


def _is_engine(value: str) -> bool:
    return value in ("auto", "none") or (value.startswith("unix:///") and "\0" not in value)
