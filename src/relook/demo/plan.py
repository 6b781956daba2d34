"""Which pictures train, which test, and which stay unseen until the model is up.

The API's minimums decide: a single dataset needs 20 normal and 10 anomalous pictures, and 20 of each label where there
are masks; separate datasets need 10 normal ones to train, 10 and 10 to test, and 10 of each label in each. The ways are
tried from the one nearest to how the user sorted the pictures; the choice within a way is by a hash of the names, so
that the same folder always gives the same plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from relook.demo.errors import PicturesError
from relook.demo.pictures import Picture, Plan, Pools, Truth, count

SINGLE_NORMAL, SINGLE_ANOMALY, SINGLE_LABEL = 20, 10, 20
SPLIT_TRAIN_NORMAL, SPLIT_TEST_NORMAL, SPLIT_TEST_ANOMALY, SPLIT_LABEL = 10, 10, 10, 10
SHARE = 0.2
"""How much of each kind of picture is kept back where the user kept none."""
MOST_KEPT = 12
"""Pictures of one kind that are kept back at most."""
MOST_SHOWN = 60
"""Pictures the finished model is shown at most, to keep the report readable."""


@dataclass(frozen=True, slots=True)
class _Draft:
    train: tuple[Picture, ...]
    test: tuple[Picture, ...]
    unseen: tuple[Picture, ...]
    missing: tuple[str, ...]
    note: str = ""


def make_plan(pools: Pools) -> Plan:
    """The first way that satisfies the minimums; PicturesError says what is missing when none does."""
    masked = any(picture.mask for picture in (*pools.train, *pools.test))
    tries = [pools, _without_masks(pools)] if masked else [pools]
    drafts: list[_Draft] = []
    for attempt in tries:
        for way in _ways(attempt):
            draft = way(attempt)
            if not draft.missing:
                return _finished(pools, draft, masks_dropped=attempt is not pools, tried=drafts)
            drafts.append(draft)
    options = list(dict.fromkeys("; ".join(draft.missing) for draft in drafts[-len(_ways(pools)) :]))
    raise PicturesError(f"there are too few pictures in {pools.source}. Missing: " + ". Or else: ".join(options))


def _finished(pools: Pools, draft: _Draft, *, masks_dropped: bool, tried: Sequence[_Draft]) -> Plan:
    notes = [*pools.notes]
    if draft.note:
        notes.append(draft.note)
    if masks_dropped:
        notes.append(
            f"The masks are not used, so the model only classifies. To use them: {'; '.join(tried[0].missing)}."
        )
    unseen = draft.unseen
    if len(unseen) > MOST_SHOWN:
        unseen = _sample(unseen, MOST_SHOWN)
        notes.append(f"Of {len(draft.unseen)} pictures kept unseen, {MOST_SHOWN} are shown to the model.")
    return Plan(pools.source, draft.train, draft.test, unseen, tuple(notes))


def _without_masks(pools: Pools) -> Pools:
    bare = (tuple(picture.without_mask() for picture in group) for group in (pools.train, pools.test, pools.extra))
    train, test, extra = bare
    return replace(pools, train=train, test=test, extra=extra)


def _ways(pools: Pools) -> tuple[Callable[[Pools], _Draft], ...]:
    if pools.extra:
        return (_as_sorted, _together_with_extra) if pools.test else (_together_with_extra,)
    return (_test_shared, _test_unseen, _together) if pools.test else (_together,)


def _as_sorted(pools: Pools) -> _Draft:
    return _Draft(pools.train, pools.test, pools.extra, _missing_split(pools.train, pools.test))


def _together_with_extra(pools: Pools) -> _Draft:
    train = (*pools.train, *pools.test)
    note = "The test pictures are too few for a dataset of their own; they train with the others." if pools.test else ""
    return _Draft(train, (), pools.extra, _missing_single(train), note)


def _test_shared(pools: Pools) -> _Draft:
    floors = {Truth.NORMAL: SPLIT_TEST_NORMAL, Truth.ANOMALY: SPLIT_TEST_ANOMALY}
    test, unseen = _hold_back(pools.test, floors, SPLIT_LABEL)
    missing = (*_missing_split(pools.train, test), *_missing_kept(unseen, "test"))
    return _Draft(pools.train, test, unseen, missing, f"{len(unseen)} of the test pictures are kept unseen.")


def _test_unseen(pools: Pools) -> _Draft:
    note = "The test pictures are too few for a dataset of their own; all of them are kept unseen."
    return _Draft(pools.train, (), pools.test, _missing_single(pools.train), note)


def _together(pools: Pools) -> _Draft:
    everything = (*pools.train, *pools.test)
    floors = {Truth.NORMAL: SINGLE_NORMAL, Truth.ANOMALY: SINGLE_ANOMALY}
    train, unseen = _hold_back(everything, floors, SINGLE_LABEL)
    missing = (*_missing_single(train), *_missing_kept(unseen, "one dataset"))
    mixed = " Train and test pictures are put together into one dataset." if pools.test else ""
    return _Draft(train, (), unseen, missing, f"{len(unseen)} pictures are kept unseen.{mixed}")


def _hold_back(
    pictures: Sequence[Picture], floors: dict[Truth, int], label_floor: int
) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    """Split off a share of each kind (truth and label), leaving at least the minimum of each."""
    kinds: dict[tuple[Truth, str], list[Picture]] = {}
    for picture in pictures:
        kinds.setdefault((picture.truth, _label(picture) or ""), []).append(picture)
    spare = {truth: count(pictures, truth) - floors[truth] for truth in Truth}
    kept: set[int] = set()
    for (truth, label), members in kinds.items():
        room = min(spare[truth], len(members) - label_floor if label else len(members))
        number = max(0, min(round(len(members) * SHARE) or 1, MOST_KEPT, room))
        spare[truth] -= number
        kept |= {id(picture) for picture in sorted(members, key=_by_hash)[:number]}
    stays = tuple(picture for picture in pictures if id(picture) not in kept)
    return stays, tuple(picture for picture in pictures if id(picture) in kept)


def _by_hash(picture: Picture) -> str:
    return hashlib.sha256(picture.name.encode()).hexdigest()


def _label(picture: Picture) -> str | None:
    """The label a picture counts for: the only one in its mask."""
    labels = picture.mask.labels if picture.mask else frozenset()
    return next(iter(labels)) if len(labels) == 1 else None


def _sample(pictures: Sequence[Picture], most: int) -> tuple[Picture, ...]:
    """A fixed choice with as many of either truth as there are, up to half each."""
    normal = sorted((item for item in pictures if item.truth is Truth.NORMAL), key=_by_hash)
    anomalous = sorted((item for item in pictures if item.truth is Truth.ANOMALY), key=_by_hash)
    take_normal = min(len(normal), max(most // 2, most - len(anomalous)))
    chosen = {id(item) for item in (*normal[:take_normal], *anomalous[: most - take_normal])}
    return tuple(item for item in pictures if id(item) in chosen)


def _missing_single(pictures: Sequence[Picture]) -> tuple[str, ...]:
    wanted = [
        _short("normal pictures", count(pictures, Truth.NORMAL), SINGLE_NORMAL, "to train as one dataset"),
        _short("anomalous pictures", count(pictures, Truth.ANOMALY), SINGLE_ANOMALY, "to train as one dataset"),
    ]
    wanted += [
        _short(f"pictures of '{name}' alone", n, SINGLE_LABEL, "to learn a label") for name, n in _counts(pictures)
    ]
    return tuple(text for text in wanted if text)


def _missing_split(train: Sequence[Picture], test: Sequence[Picture]) -> tuple[str, ...]:
    wanted = [
        _short("normal pictures in train", count(train, Truth.NORMAL), SPLIT_TRAIN_NORMAL, "to train"),
        _short("normal pictures in test", count(test, Truth.NORMAL), SPLIT_TEST_NORMAL, "to test"),
        _short("anomalous pictures in test", count(test, Truth.ANOMALY), SPLIT_TEST_ANOMALY, "to test"),
    ]
    here, there = dict(_counts(train)), dict(_counts(test))
    for label in sorted({*here, *there}):
        for where, found in (("train", here), ("test", there)):
            what = f"pictures of '{label}' alone in {where}"
            wanted.append(_short(what, found.get(label, 0), SPLIT_LABEL, "to learn a label"))
    return tuple(text for text in wanted if text)


def _missing_kept(unseen: Sequence[Picture], where: str) -> tuple[str, ...]:
    return tuple(
        f"1 more {truth.value} picture ({where}), to keep back and try the finished model on"
        for truth in Truth
        if not count(unseen, truth)
    )


def _short(what: str, has: int, needs: int, purpose: str) -> str:
    return "" if has >= needs else f"{needs - has} more {what} ({has} there, the API asks for {needs} {purpose})"


def _counts(pictures: Iterable[Picture]) -> list[tuple[str, int]]:
    """Every label in the masks, with the number of pictures that show it alone."""
    counts: dict[str, int] = {}
    for picture in pictures:
        for label in picture.mask.labels if picture.mask else ():
            counts[label] = counts.get(label, 0) + (_label(picture) is not None)
    return sorted(counts.items())
