"""Input members of operations, by paths such as `ProductionVariants[].InstanceType`, and values for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.model import Shape

_DEEPEST = 6


def walk(shape: Shape, closed: Collection[str] = (), path: str = "", above: tuple[str, ...] = ()) -> Iterator[str]:
    """Every member of a structure with those below it; not what lies below `closed` ones, nor a structure in itself."""
    if shape.type_name == "structure" and shape.name not in above:
        for name, member in shape.members.items():
            below = f"{path}.{name}" if path else name
            yield below
            if below not in closed:
                yield from walk(member, closed, below, (*above, shape.name))
    elif shape.type_name == "list":
        yield from walk(shape.member, closed, f"{path}[]", above)
    elif shape.type_name == "map":
        yield from walk(shape.value, closed, f"{path}{{}}", above)


def name_of(path: str) -> str:
    return path.rpartition(".")[2]


def sample(shape: Shape, name: str = "", depth: int = 0, *, bare: bool = False) -> Any:
    """A value that means something: what is required of a structure, else, unless `bare`, the first member it has."""
    kind = shape.type_name
    if kind == "structure":
        wanted = shape.required_members or ([] if bare else list(shape.members)[:1])
        if depth == _DEEPEST:
            return {}
        return {each: sample(shape.members[each], each, depth + 1, bare=bare) for each in wanted}
    if kind == "list":
        return [sample(shape.member, name, depth + 1, bare=bare)]
    if kind == "map":
        return {"a": sample(shape.value, name, depth + 1)}
    if kind == "string":
        uri = name.endswith(("Uri", "Url", "Path"))
        return shape.enum[0] if shape.enum else "s3://data/x" if uri else "x"
    return {
        "boolean": True,
        "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
        "blob": b"x",
        "float": 1.0,
        "double": 1.0,
    }.get(kind, max(1, shape.metadata.get("min", 1)))


def give(shape: Shape, members: dict[str, Any], path: str) -> Any:
    """Set the member at `path`, with all that has to be around it; the value, which is what was there if it was."""
    here: Any = members
    *parents, last = path.split(".")
    for parent in parents:
        name = parent.removesuffix("[]")
        shape = shape.members[name]
        here = here.setdefault(name, sample(shape, name, bare=True))
        if parent.endswith("[]"):
            shape, here = shape.member, here[0]
    return here.setdefault(last, sample(shape.members[last], last))


def taken(answer: Any, path: str) -> Any:
    """The value at `path` of an answer, of the last element of each list on the way; None where there is none."""
    for part in path.split("."):
        if answer is None:
            return None
        answer = answer.get(part.removesuffix("[]"))
        if part.endswith("[]") and answer:
            answer = answer[-1]
    return answer


class Watched(dict[str, Any]):
    """Members, and those below them, that put down in `seen` the paths by which they are asked for."""

    def __init__(self, members: dict[str, Any], seen: set[str], path: str = "") -> None:
        self._path = path
        self._seen = seen
        super().__init__({name: self._below(value, f"{path}{name}") for name, value in members.items()})

    def _below(self, value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return Watched(value, self._seen, f"{path}.")
        if isinstance(value, list):
            return [self._below(each, f"{path}[]") for each in value]
        return value

    def __getitem__(self, name: str) -> Any:
        self._seen.add(self._path + name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._seen.add(self._path + name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self._seen.add(f"{self._path}{name}")
        return super().__contains__(name)
