"""The folders of a training under /opt/ml: on this machine, and as its container sees them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relook.containers.api import Mount
from relook.core.training.channels import Channel, InputMode

HOST = "algo-1"
_GROUP = "homogeneousCluster"
_INPUT, _MODEL, _OUTPUT = "/opt/ml/input", "/opt/ml/model", "/opt/ml/output"


@dataclass(frozen=True, slots=True)
class Layout:
    """Below `root`, a fresh folder. `extra` are further folders for the container to write to, by their path in it."""

    root: Path
    extra: Mapping[str, Path] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.root / "input" / "data"

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def output(self) -> Path:
        return self.root / "output"

    def make(self, channels: Iterable[Channel]) -> None:
        """Make all folders; the container may be another user, so what it may write to is open to everyone."""
        config = self.root / "input" / "config"
        for folder in (self.data, config):
            folder.mkdir(parents=True)
        for folder in (self.model, self.output, self.output / "data", *self.extra.values()):
            folder.mkdir()
            folder.chmod(0o777)
        config.parent.chmod(0o777)
        for channel in channels:
            if channel.mode is not InputMode.PIPE:
                (self.data / channel.name).mkdir()
                (self.data / channel.name).chmod(0o777)
        for folder in (self.root, self.data, config):
            folder.chmod(0o755)

    def configure(self, name: str, content: Mapping[str, Any]) -> None:
        """Write /opt/ml/input/config/<name>.json."""
        path = self.root / "input" / "config" / f"{name}.json"
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        path.chmod(0o644)

    def mounts(self, channels: Iterable[Channel]) -> tuple[Mount, ...]:
        """Configuration and data are read-only but for the channels in mode File; pipes can be read all the same.

        Beside them it may write: the SDK v3 has its own drivers leave /opt/ml/input/sm_training.env there.
        """
        fixed = {f"{_INPUT}/config": self.root / "input" / "config", f"{_INPUT}/data": self.data}
        writable = {_INPUT: self.root / "input", _MODEL: self.model, _OUTPUT: self.output} | {
            f"{_INPUT}/data/{channel.name}": self.data / channel.name
            for channel in channels
            if channel.mode is InputMode.FILE
        }
        every = fixed | writable | dict(self.extra)
        return tuple(Mount(source, target, target in fixed) for target, source in sorted(every.items()))


def resource_config(instance_type: str, isolated: bool) -> dict[str, Any]:
    """resourceconfig.json, of the one machine there is."""
    group = {"instance_group_name": _GROUP, "instance_type": instance_type, "hosts": [HOST]}
    return {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": _GROUP,
        "hosts": [HOST],
        "instance_groups": [group],
        "network_interface_name": "lo" if isolated else "eth0",
    }
