"""What a training makes of two sets of lines: a plan to train by, or the terminal errors that forbid it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from relook.core.custom_labels.auto_split import CannotSplit, auto_split
from relook.core.custom_labels.errors import OVERLAP_PERCENT, ContentError
from relook.core.custom_labels.manifest import Dropped, Entry, Kind

Line = Entry | Dropped


class UseCase(StrEnum):
    IMAGE_LEVEL_LABELS = "IMAGE_LEVEL_LABELS"
    OBJECT_LOCALIZATION = "OBJECT_LOCALIZATION"
    NOT_DETERMINED = "NOT_DETERMINED"

    @property
    def kind(self) -> Kind:
        """What of a line is learnt."""
        return Kind.IMAGE_LEVEL if self is UseCase.IMAGE_LEVEL_LABELS else Kind.OBJECTS


class Learning(StrEnum):
    """What to train; the values are those of the trainers' tasks."""

    SINGLE_LABEL = "single-label"
    MULTI_LABEL = "multi-label"
    DETECTION = "detection"


@dataclass(frozen=True, slots=True)
class TrainingLimits:
    """`share` of a set's lines may be invalid; `labels` is the most, the other two the least for each use case."""

    rows: int = 250_000
    share: float = 0.2
    labels: int = 250
    least_image_level: int = 2
    least_objects: int = 1


STANDARD = TrainingLimits()


@dataclass(frozen=True, slots=True)
class SetStatistics:
    """One set in the manifest summary. `error_lines` are numbers from 1, of its validation manifest."""

    use_case: UseCase
    total: int
    valid: int
    invalid: int
    ignored: int
    error_lines: tuple[int, ...]
    errors: tuple[ContentError, ...]

    def document(self) -> dict[str, Any]:
        return {
            "use_case": str(self.use_case),
            "total_json_lines": self.total,
            "valid_json_lines": self.valid,
            "invalid_json_lines": self.invalid,
            "ignored_json_lines": self.ignored,
            "error_json_line_indices": list(self.error_lines),
            "errors": _documents(self.errors),
        }


@dataclass(frozen=True, slots=True)
class ManifestSummary:
    """The file of that name. `errors` are those that span both sets."""

    training: SetStatistics
    testing: SetStatistics
    errors: tuple[ContentError, ...]

    @property
    def failure(self) -> ContentError | None:
        """The error whose text becomes the StatusMessage; None where there is a plan."""
        return next(iter((*self.training.errors, *self.testing.errors, *self.errors)), None)

    def document(self) -> dict[str, Any]:
        return {
            "statistics": {"training": self.training.document(), "testing": self.testing.document()},
            "errors": _documents(self.errors),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train: `labels` by name; the entries hold nothing but these labels, and of the chosen kind alone.

    `unknown` are test labels that training does not have: nothing is tested of them.
    """

    learning: Learning
    labels: tuple[str, ...]
    train: tuple[Entry, ...]
    test: tuple[Entry, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`plan` is None where the summary has errors. The lines are those of each set's validation manifest, in order."""

    summary: ManifestSummary
    plan: Plan | None
    training: tuple[Line, ...]
    testing: tuple[Line, ...]


def decide(
    training: Sequence[Line],
    testing: Sequence[Line] | None,
    *,
    seed: int,
    content: Callable[[Entry], str] | None = None,
    limits: TrainingLimits = STANDARD,
) -> Outcome:
    """Decide from lines that were held against their images (`Entry.checked`). No `testing`: a fifth is split off.

    `content` identifies an image, so that copies stay on one side of the split.
    """
    train_errors = _line_rules(training, limits)
    test_errors = _line_rules(testing, limits) if testing is not None else []
    if train_errors or test_errors:
        return _refused(training, testing or (), train_errors, test_errors)
    case = _use_case(training)
    if testing is None and not _declared(training):
        return _refused(training, (), [ContentError.TOO_FEW_LABELS], [], case)
    if testing is None:
        try:
            training, testing = _split(training, case, seed, content)
        except CannotSplit as error:
            return _refused(training, (), [error.error], [], case)
    train_errors, test_errors, common = _label_rules(training, testing, case, limits)
    if train_errors or test_errors or common:
        return _refused(training, testing, train_errors, test_errors, case, common)
    summary = ManifestSummary(_statistics(training, case, []), _statistics(testing, case, []), ())
    return Outcome(summary, _plan(training, testing, case), tuple(training), tuple(testing))


def out_of_reach(
    training: Sequence[Line],
    testing: Sequence[Line] | None,
    *,
    train_error: ContentError | None,
    test_error: ContentError | None,
    limits: TrainingLimits = STANDARD,
) -> Outcome:
    """What is told where the images of a set, or of both, cannot be read: these errors, then those of the lines."""
    train_errors, test_errors = (
        [*([] if error is None else [error]), *_line_rules(lines, limits)]
        for lines, error in ((training, train_error), (testing or (), test_error))
    )
    return _refused(training, testing or (), train_errors, test_errors)


def _line_rules(lines: Sequence[Line], limits: TrainingLimits) -> list[ContentError]:
    """What is wrong with the lines of one set, whatever their labels."""
    errors = []
    if len(lines) > limits.rows:
        errors.append(ContentError.ROWS_EXCEEDS_MAXIMUM)
    if sum(line.invalid for line in lines) > limits.share * len(lines):
        errors.append(ContentError.TOO_MANY_INVALID_ROWS)
    if len({line.image.bucket for line in lines if isinstance(line, Entry)}) > 1:
        errors.append(ContentError.MULTIPLE_BUCKETS)
    return errors


def _use_case(lines: Sequence[Line]) -> UseCase:
    """What most lines can teach; where as many teach the one as the other, objects."""
    kinds = [line.kind for line in lines if isinstance(line, Entry)]
    image_level, objects = (sum(kind in (one, Kind.BOTH) for kind in kinds) for one in (Kind.IMAGE_LEVEL, Kind.OBJECTS))
    if not image_level and not objects:
        return UseCase.NOT_DETERMINED
    return UseCase.IMAGE_LEVEL_LABELS if image_level > objects else UseCase.OBJECT_LOCALIZATION


def _split(
    lines: Sequence[Line], case: UseCase, seed: int, content: Callable[[Entry], str] | None
) -> tuple[list[Line], list[Line]]:
    entries = [(index, line) for index, line in enumerate(lines) if isinstance(line, Entry)]
    chosen = auto_split([entry for _, entry in entries], wanted=case.kind, seed=seed, content=content)
    test = {entries[place][0] for place in chosen}
    return (
        [line for index, line in enumerate(lines) if index not in test],
        [line for index, line in enumerate(lines) if index in test],
    )


def _label_rules(
    training: Sequence[Line], testing: Sequence[Line], case: UseCase, limits: TrainingLimits
) -> tuple[list[ContentError], list[ContentError], list[ContentError]]:
    """Errors of the training labels, of the test labels, and of both together.

    First of all labels that the sets declare; if these will do, of those that are left for the use case. Sets that have
    these in common have enough in common: a split cannot give the test set labels of lines that nothing is learnt of.
    """
    least = limits.least_image_level if case is UseCase.IMAGE_LEVEL_LABELS else limits.least_objects
    train, test = _declared(training), _declared(testing)
    train_errors = [ContentError.TOO_FEW_LABELS] * (len(train) < least)
    train_errors += [ContentError.TOO_MANY_LABELS] * (len(train) > limits.labels)
    test_errors = [ContentError.TOO_MANY_LABELS] * (len(test) > limits.labels)
    usable_train, usable_test = _usable(training, case), _usable(testing, case)
    apart = _apart(usable_train, usable_test)
    common = [ContentError.INSUFFICIENT_LABEL_OVERLAP] * (apart and _apart(train, test))
    if train_errors or common:
        return train_errors, test_errors, common
    train_errors = [ContentError.TOO_FEW_USABLE_LABELS] * (len(usable_train) < least)
    return train_errors, test_errors, [ContentError.INSUFFICIENT_USABLE_LABEL_OVERLAP] * apart


def _apart(train: set[str], test: set[str]) -> bool:
    return 100 * len(train & test) < OVERLAP_PERCENT * len(train)


def _declared(lines: Sequence[Line]) -> set[str]:
    return {use.name for line in lines if isinstance(line, Entry) for use in line.uses}


def _usable(lines: Sequence[Line], case: UseCase) -> set[str]:
    return {name for line in lines if isinstance(line, Entry) for name in line.taught(case.kind)}


def _plan(training: Sequence[Line], testing: Sequence[Line], case: UseCase) -> Plan:
    kind = case.kind
    labels = sorted(_usable(training, case))
    train = tuple(entry.restricted(kind, labels) for entry in _teaching(training, kind))
    tested = _teaching(testing, kind)
    test = tuple(entry for entry in (each.restricted(kind, labels) for each in tested) if entry.kind is kind)
    return Plan(
        learning=_learning([*train, *test], kind),
        labels=tuple(labels),
        train=train,
        test=test,
        unknown=tuple(sorted(_usable(testing, case).difference(labels))),
    )


def _teaching(lines: Sequence[Line], kind: Kind) -> list[Entry]:
    return [line for line in lines if isinstance(line, Entry) and line.kind in (kind, Kind.BOTH)]


def _learning(entries: Sequence[Entry], kind: Kind) -> Learning:
    if kind is Kind.OBJECTS:
        return Learning.DETECTION
    return Learning.SINGLE_LABEL if all(len(entry.labels) == 1 for entry in entries) else Learning.MULTI_LABEL


def _refused(
    training: Sequence[Line],
    testing: Sequence[Line],
    train_errors: list[ContentError],
    test_errors: list[ContentError],
    case: UseCase = UseCase.NOT_DETERMINED,
    common: Sequence[ContentError] = (),
) -> Outcome:
    summary = ManifestSummary(
        _statistics(training, case, train_errors), _statistics(testing, case, test_errors), tuple(common)
    )
    return Outcome(summary, None, tuple(training), tuple(testing))


def _statistics(lines: Sequence[Line], case: UseCase, errors: list[ContentError]) -> SetStatistics:
    """Lines of the other kind than the use case count as ignored: their form is good, and nothing is learnt of them."""
    invalid = sum(line.invalid for line in lines)
    if case is UseCase.NOT_DETERMINED:
        valid = sum(isinstance(line, Entry) and line.kind is not Kind.NOTHING for line in lines)
    else:
        valid = len(_teaching(lines, case.kind))
    faulty = [
        number for number, line in enumerate(lines, 1) if line.invalid or (isinstance(line, Entry) and line.errors)
    ]
    return SetStatistics(case, len(lines), valid, invalid, len(lines) - valid - invalid, tuple(faulty), tuple(errors))


def _documents(errors: Sequence[ContentError]) -> list[dict[str, str]]:
    return [{"code": str(error), "message": error.message} for error in errors]
