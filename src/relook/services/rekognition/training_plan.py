"""From the lines of a version's sets to what is trained: every line held against its image, every rule asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from relook.blobs.errors import BlobError, BucketForeign, NoRoom, ObjectMissing
from relook.blobs.interface import Blobs
from relook.core.custom_labels.errors import ContentError, Drop, FileError
from relook.core.custom_labels.judging import ImageFacts
from relook.core.custom_labels.manifest import Dropped, Entry, read_line, read_manifest
from relook.core.custom_labels.names import DatasetType
from relook.core.custom_labels.snapshots import UsedImage
from relook.core.custom_labels.usable import Learning, Outcome, Plan, TrainingLimits, decide, out_of_reach
from relook.jobs.api import JobContext, JobFailed
from relook.services.rekognition.image_facts import ImageReader
from relook.services.rekognition.intake import MAX_MANIFEST_BYTES, too_large
from relook.services.rekognition.left_out import left_out, untaught
from relook.services.rekognition.look_alikes import look_alikes
from relook.services.rekognition.refusals import reasons
from relook.store import rekognition_versions as versions
from relook.store.engine import Store
from relook.store.rekognition_versions import Version
from relook.vision.labelled import LabelledBox, LabelledImage, Rectangle
from relook.vision.naming import listed

Line = Entry | Dropped
_MALFORMED = (Drop.INVALID_JSON, Drop.BLANK, Drop.LINE_TOO_LONG)
_LINES_EVERY = 1000
_IMAGES_EVERY = 20


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What was decided, what the images are, by source-ref, and sentences on the lines that are left out and on why
    nothing can be trained."""

    outcome: Outcome
    facts: dict[str, ImageFacts]
    left_out: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def used(self, entries: Sequence[Entry], lines: Sequence[Line]) -> list[UsedImage]:
        """The images of `entries`, which stand in `lines`, for their snapshot."""
        places = {line.source_ref: index for index, line in enumerate(lines) if isinstance(line, Entry)}
        return [self._used(entry, places[entry.source_ref]) for entry in entries]

    def _used(self, entry: Entry, place: int) -> UsedImage:
        facts = self.facts[entry.source_ref]
        boxes = labelled_boxes(entry) if self._detection else None
        return UsedImage(entry.source_ref, place, facts.width, facts.height, entry.labels, boxes)

    @property
    def _detection(self) -> bool:
        return self.outcome.plan is not None and self.outcome.plan.learning is Learning.DETECTION

    @property
    def warnings(self) -> list[str]:
        """What the user should know of the sets although a model can be trained on them."""
        plan = self.outcome.plan
        if plan is None:
            return []
        found = [*self.left_out]
        if plan.unknown:
            names = listed([repr(name) for name in plan.unknown])
            found.append(f"Test labels that the training images do not have are not tested: {names}.")
        if named := [*self._of_another_size(plan)]:
            lines = "1 line tells" if len(named) == 1 else f"{len(named)} lines tell"
            found.append(
                f"{lines} another size of the image than it has upright, so the boxes may have been drawn on another "
                f"one: draw them anew, or correct image_size ({listed(named)})."
            )
        return found + look_alikes((*plan.labels, *plan.unknown))

    def _of_another_size(self, plan: Plan) -> Iterator[str]:
        for entry in (*plan.train, *plan.test):
            facts = self.facts[entry.source_ref]
            if entry.declared is not None and entry.contradicts(facts):
                told, real = entry.declared, f"{facts.width}x{facts.height}"
                yield f"{entry.source_ref}: {told.width}x{told.height}, and it has {real}"


def refused(outcome: Outcome, error: ContentError) -> Outcome:
    """What there was a plan for, with this error of both sets."""
    return replace(outcome, plan=None, summary=replace(outcome.summary, errors=(error,)))


def labelled_boxes(entry: Entry) -> tuple[LabelledBox, ...]:
    return tuple(LabelledBox(box.label, Rectangle(box.left, box.top, box.width, box.height)) for box in entry.boxes)


def labelled_images(entries: Iterable[Entry], reader: ImageReader) -> list[LabelledImage]:
    """As the trainers take them, nothing read yet."""
    return [
        LabelledImage(entry.source_ref, partial(reader.read, entry.image), entry.labels, labelled_boxes(entry))
        for entry in entries
    ]


class Planner:
    """Reads the sets of a version. Everything it raises but NoRoom is a JobFailed with a text for the StatusMessage."""

    def __init__(self, store: Store, blobs: Blobs, limits: TrainingLimits) -> None:
        self._store = store
        self._blobs = blobs
        self._limits = limits

    def review(self, version: Version, context: JobContext) -> Reviewed:
        """Decide what to train. Without a plan the outcome has the terminal errors.

        The job's log learns what is wrong with a manifest's file, which the StatusMessage does not say.
        """
        training = self._lines(version, DatasetType.TRAIN, context)
        testing = None if version.auto_split else self._lines(version, DatasetType.TEST, context)
        errors = [
            self._bucket_error(version, name, lines, context)
            for name, lines in (("training", training), ("test", testing or ()))
        ]
        if any(errors):
            outcome = out_of_reach(training, testing, train_error=errors[0], test_error=errors[1], limits=self._limits)
            return self._reviewed(outcome, {}, self._left_out(training, testing, {}))
        if any(len(lines) > self._limits.rows for lines in (training, testing or ())):
            return self._reviewed(self._decide(training, testing, version, {}), {})
        entries = [line for line in (*training, *(testing or ())) if isinstance(line, Entry)]
        looked = _Looks(self._blobs, version.name.scope.account)
        wanted = {entry.source_ref: entry for entry in entries if entry.needs_image}
        for done, entry in enumerate(wanted.values(), start=1):
            looked.look(entry)
            if done % _IMAGES_EVERY == 0 or done == len(wanted):
                context.progress("checking the images", done, len(wanted))
        training = [looked.checked(line) for line in training]
        testing = None if testing is None else [looked.checked(line) for line in testing]
        told = self._left_out(training, testing, looked.faults)
        outcome = self._decide(training, testing, version, looked.contents)
        case = outcome.summary.training.use_case
        told += [sentence for name, lines in _sets(training, testing) for sentence in untaught(name, lines, case)]
        return self._reviewed(outcome, looked.facts, told)

    def _left_out(
        self, training: Sequence[Line], testing: Sequence[Line] | None, faults: Mapping[str, str]
    ) -> list[str]:
        return [
            sentence
            for name, lines in _sets(training, testing)
            for sentence in left_out(name, lines, faults, self._limits.share)
        ]

    def _reviewed(self, outcome: Outcome, facts: dict[str, ImageFacts], told: Sequence[str] = ()) -> Reviewed:
        return Reviewed(outcome, facts, tuple(told), tuple(reasons(outcome, self._limits)))

    def _decide(
        self, training: Sequence[Line], testing: Sequence[Line] | None, version: Version, contents: dict[str, str]
    ) -> Outcome:
        def content(entry: Entry) -> str:
            return contents.get(entry.source_ref, entry.source_ref)

        return decide(training, testing, seed=version.seed, content=content, limits=self._limits)

    def _bucket_error(
        self, version: Version, name: str, lines: Sequence[Line], context: JobContext
    ) -> ContentError | None:
        """Of a single bucket; where there are several, that is the error."""
        buckets = {line.image.bucket for line in lines if isinstance(line, Entry)}
        for bucket in buckets if len(buckets) == 1 else ():
            try:
                self._blobs.check_bucket(version.name.scope.account, bucket)
            except BlobError as error:
                context.log(f"The images of the {name} set cannot be read: {error}")
                foreign = isinstance(error, BucketForeign)
                return ContentError.INVALID_BUCKET_OWNER if foreign else ContentError.INVALID_PERMISSIONS
        return None

    def _lines(self, version: Version, kind: DatasetType, context: JobContext) -> list[Line]:
        manifest = version.training_input if kind is DatasetType.TRAIN else version.testing_input
        if version.training_input is None:
            with self._store.read() as connection:
                lines = [read_line(text) for text in versions.lines(connection, version.id, kind)]
        elif manifest is not None:
            lines = self._from_manifest(version.name.scope.account, manifest, context)
        else:
            raise AssertionError(f"{version.name} has no manifest of {kind} images, and none is split off")
        name = "training set" if kind is DatasetType.TRAIN else "test set"
        where = "" if manifest is None else f", s3://{manifest['Bucket']}/{manifest['Name']},"
        if not lines and version.training_input is None:
            context.log(f"The project's {kind} dataset has no entries: add some with UpdateDatasetEntries.")
            raise JobFailed(FileError.EMPTY.message)
        if not lines:
            context.log(f"The {name}{where} has no lines.")
            raise JobFailed(FileError.EMPTY.message)
        if all(isinstance(line, Dropped) and line.why in _MALFORMED for line in lines):
            context.log(f"The {name}{where} has no line that is a JSON object.")
            for sentence in left_out(name, lines, {}, self._limits.share):
                context.log(sentence)
            raise JobFailed(FileError.INACCESSIBLE_OR_UNSUPPORTED_FORMAT.message)
        return lines

    def _from_manifest(self, account: str, manifest: Mapping[str, str], context: JobContext) -> list[Line]:
        bucket, key, version = manifest["Bucket"], manifest["Name"], manifest.get("Version")
        try:
            size = self._blobs.size(account, bucket, key, version)
            if size > MAX_MANIFEST_BYTES:
                context.log(f"s3://{bucket}/{key}: {too_large(size)}")
                raise JobFailed(FileError.SIZE_TOO_LARGE.message)
            lines = []
            with self._blobs.open(account, bucket, key, version) as file:
                for number, line in read_manifest(file):
                    lines.append(line)
                    if number > self._limits.rows:
                        break  # that is refused: a gigabyte of short lines is more than memory holds
                    if number % _LINES_EVERY == 0:
                        context.progress("reading the manifest", number, 0)
            return lines
        except NoRoom:
            raise
        except ObjectMissing as error:
            context.log(f"The manifest cannot be read: {error}")
            raise JobFailed(FileError.INACCESSIBLE_OR_UNSUPPORTED_FORMAT.message) from error
        except BlobError as error:
            context.log(f"The manifest cannot be read: {error}")
            raise JobFailed(FileError.INVALID_PERMISSIONS.message) from error


def _sets(training: Sequence[Line], testing: Sequence[Line] | None) -> list[tuple[str, Sequence[Line]]]:
    """Each set and what it is called where its lines are counted: the files that are left count those of the parts."""
    if testing is None:
        return [("training set before its split", training)]
    return [("training set", training), ("test set", testing)]


class _Looks:
    """Every image looked at once: its facts, what identifies its content and what is wrong with it, by source-ref."""

    def __init__(self, blobs: Blobs, account: str) -> None:
        self._reader = ImageReader(blobs, account)
        self.facts: dict[str, ImageFacts] = {}
        self.contents: dict[str, str] = {}
        self.faults: dict[str, str] = {}

    def look(self, entry: Entry) -> None:
        seen = self._reader.look(entry.image)
        if seen.data is not None and seen.facts is not None:
            self.facts[entry.source_ref] = seen.facts
            self.contents[entry.source_ref] = hashlib.sha256(seen.data).hexdigest()
        if seen.fault is not None:
            self.faults[entry.source_ref] = seen.fault

    def checked(self, line: Line) -> Line:
        return line.checked(self.facts.get(line.source_ref)) if isinstance(line, Entry) else line
