"""Repeated rows: equal inputs in training and test folds, which make held-out errors too low.

Where few different rows meet many weights, a model can learn each row by heart, and its error on
held-out rows is of copies of what it learnt from. So copies are held out together, and where the
error is then clearly larger, a note says so. None is given where columns of few values make copies
natural (two columns of yes and no have four different rows), or where so many rows differ that they
cannot be learnt by heart.

    observed   pairs of rows with the same inputs in different folds
    expected   n ** 2 times the product of the columns' own shares, if columns were independent

Judged by the sample of the one read: all rows of a small table.

Shapes: n entries: rows, each once for each of its folds
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.errors import DeltaruleError, LearningError
from deltarule.fit.settings import Settings
from deltarule.model.record import HeldOutRecord, Record
from deltarule.model.summary import error_told
from deltarule.moments.folds import Folds
from deltarule.rule.predict import Array
from deltarule.tables.column_names import only
from deltarule.tables.one_read import Read
from deltarule.views.format import number, share

# Copies are looked into where they are this share of all rows, and so many times those expected.
COPIES, UNNATURAL = 0.05, 10.0
# With more different rows for each weight than this, the error of copies is too small by less than
# some 4%: by 1 + 2 / 50.
ROWS_EACH = 50
# The error is clearly larger by this share of its square, and by two standard errors of it.
LARGER, NOISE = 0.1, 2.0
FEWEST = 10
# Where that cannot be measured, rows are few if there are no more for each weight.
FEW_EACH = 3
GROUP = "copies"
KNOWN, BEFORE = "is of rows it knows", "of the rows before: "
ADVICE = "take each row once, or say with --group what is new"
# Copies that a weight counts, and rows of several ids.
COUNTED = "say with --id what a row is of, which keeps the copies that a weight counts together"
SEVERAL = "say with --group, in place of --id, what is new"

Learn = Callable[[pl.DataFrame, Settings], Record]
"""Learns from some rows with these settings."""


@dataclass(frozen=True)
class RepeatedRows:
    """Rows of a sample with the number of their inputs (n,), and which share are copies."""

    rows: pl.DataFrame
    copy_of: NDArray[np.intp]
    different: int
    share: float
    sampled: bool


def with_copies_told(record: Record, read: Read, settings: Settings, learn: Learn) -> Record:
    """The record, with a note where copies in other folds make its held-out error too small."""
    if record.held_out is None or settings.group or settings.time:
        return record
    repeated = repeated_rows(read)
    if repeated is None:
        return record
    rows, plain = _plain_columns(read, repeated), _plain_settings(record, read, settings)
    simpler = any((settings.positive, settings.between, settings.freeze, settings.start))
    simpler = simpler or isinstance(settings.ridge, Mapping) or isinstance(settings.lasso, Mapping)
    try:
        together = learn(rows, replace(plain, group=GROUP))
        told = learn(rows.drop(GROUP), plain) if repeated.sampled or simpler else record
        notes = _notes(told, together, repeated, _advice(read))
    except DeltaruleError:  # as where a fold alone has a class
        notes = _unmeasured(read, repeated)
    return record.model_copy(update={"notes": (*record.notes, *notes)}) if notes else record


def _plain_columns(read: Read, repeated: RepeatedRows) -> pl.DataFrame:
    """Inputs, targets and weight as columns with plain names, and the number of each row's inputs.

    The sample has the values of expressions, whose names would be taken for expressions again.
    """
    categories = {one.name for one in read.schema.columns} & set(read.plan.categories)
    rows, weight = repeated.rows, read.plan.request.row_weight
    columns = {
        f"x{at}": rows[one.name].cast(pl.Categorical if one.name in categories else pl.Float64)
        for at, one in enumerate(read.schema.columns)
    }
    columns |= {f"y{at}": rows[one.name] for at, one in enumerate(read.schema.targets)}
    if weight is not None:
        columns["weight"] = rows[weight]
    return pl.DataFrame({**columns, GROUP: repeated.copy_of})


def _plain_settings(record: Record, read: Read, settings: Settings) -> Settings:
    """The settings that hold for plain columns."""
    ridge, lasso = settings.ridge, settings.lasso
    return Settings(
        predict=[f"y{at}" for at in range(len(read.schema.targets))],
        loss=[loss.name for loss in record.losses],
        ridge="auto" if isinstance(ridge, Mapping) else ridge,
        lasso=0.0 if isinstance(lasso, Mapping) else lasso,
        intercept=settings.intercept,
        missing=settings.missing,
        weight=None if read.plan.request.row_weight is None else "weight",
        folds=settings.folds,
        levels=settings.levels,
        learner=settings.learner,
        alpha=settings.alpha,
        steps=settings.steps,
        batch=settings.batch,
        epochs=settings.epochs,
        shuffle=settings.shuffle,
        seed=settings.seed,
        tolerance=settings.tolerance,
    )


def repeated_rows(read: Read) -> RepeatedRows | None:
    """The rows of the sample, where many are copies that few values do not explain."""
    offset = read.schema.offset is not None
    if not read.drawn or read.plan.trials or read.within is not None or offset:
        return None
    frame = pl.concat(read.drawn, how="vertical_relaxed")
    columns, numbered = [one.name for one in read.schema.columns], read.plan.row_column
    targets = [one.name for one in read.schema.targets]
    if not {numbered, *columns, *targets} <= set(frame.columns):
        return None
    copy_of = _different(frame, columns)
    different = int(copy_of.max(initial=-1)) + 1
    if different == len(frame) and not read.plan.request.copies:
        return None  # quickly, as of most tables
    if different < FEWEST or different > ROWS_EACH * (len(read.schema.inputs) + 1):
        return None
    places, fold, each = _entries(read, frame[numbered].to_numpy())
    of_copies = copy_of[places]
    others = _in_other_folds(of_copies, fold, each)
    total = float(each.sum())
    copies = float(each[others > 0].sum()) / total if total > 0 else 0.0
    shares = np.ones(len(places))
    for alike in _by_source(read):
        values = _different(frame, alike)[places]
        shares *= np.bincount(values, each)[values] / total
    if copies < COPIES or not each @ others > UNNATURAL * total * (each @ shares):
        return None
    return RepeatedRows(frame, copy_of, different, copies, not read.has_all)


def _by_source(read: Read) -> list[list[str]]:
    """The inputs made of each column of the table; none of an interaction of such columns."""
    found: dict[frozenset[str], list[str]] = {}
    for one in read.schema.columns:
        found.setdefault(frozenset(one.term.columns), []).append(one.name)
    alone = {column for made_of in found if len(made_of) == 1 for column in made_of}
    return [names for made_of, names in found.items() if len(made_of) == 1 or made_of - alone]


def _different(frame: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.intp]:
    """A number for each row, the same for the same values of the columns: (n,)."""
    hashes = only(frame, columns).hash_rows(seed=0)
    return np.unique(hashes.to_numpy(), return_inverse=True)[1]


def _entries(read: Read, numbers: NDArray[Any]) -> tuple[NDArray[np.intp], Folds, Array]:
    """Place in the sample, fold and weight of each entry of the rows that are learnt from."""
    order = np.argsort(numbers)
    places, folds, weights = [], [], []
    copies = read.plan.request.copies
    for one in (rows.apart for rows in read.some_rows()):
        places.append(order[np.searchsorted(numbers, one.number, sorter=order)])
        folds.append(one.fold)
        counted = one.row_weights if copies else None
        weights.append(np.ones(len(one)) if counted is None else counted)
    return np.concatenate(places), np.concatenate(folds), np.concatenate(weights)


def _in_other_folds(copy_of: NDArray[np.intp], fold: Folds, each: Array) -> Array:
    """How many rows of other folds have the same inputs: (n,)."""
    both = copy_of * (int(fold.max(initial=0)) + 1) + fold
    _, own = np.unique(both, return_inverse=True)
    alike = np.bincount(copy_of, each)[copy_of] - np.bincount(own, each)[own]
    return np.asarray(alike, np.float64)


def _advice(read: Read) -> str:
    """What to do about copies, by where they come from."""
    request = read.plan.request
    return COUNTED if request.copies else SEVERAL if request.id else ADVICE


def _notes(told: Record, together: Record, repeated: RepeatedRows, advice: str) -> list[str]:
    """A note on the targets whose error is clearly larger where copies are held out together."""
    if together.held_out is None:
        raise LearningError("no copies can be held out together")
    least = 1 + max(LARGER, NOISE / np.sqrt(repeated.different))
    larger = []
    pairs = zip(told.contract.targets, told.held_out or (), together.held_out or (), strict=False)
    for target, one, other in pairs:
        name, error, square = _error(one)
        _, apart, larger_square = _error(other)
        if larger_square > least * square:
            of = f" of {target.name}" if len(told.contract.targets) > 1 else ""
            larger.append(
                f"{name}{of} is {_figure(other, apart)} in place of {_figure(one, error)}"
            )
    if not larger:
        return []
    measured = "; ".join(_few(larger))
    where = f" in a sample of {len(repeated.rows):,} rows" if repeated.sampled else ""
    return [f"{_knows(repeated)}; with such rows held out together{where}, {measured}: {advice}"]


def _unmeasured(read: Read, repeated: RepeatedRows) -> list[str]:
    """A note where copies cannot be held out together, and rows are few for their weights."""
    if repeated.different > FEW_EACH * (len(read.schema.inputs) + 1):
        return []
    return [f"{_knows(repeated)}: {_advice(read)}"]


def _knows(repeated: RepeatedRows) -> str:
    return (
        f"{repeated.share:.0%} of rows have the inputs of rows in other parts, so the error on "
        f"held-out rows {KNOWN}"
    )


def told_before(notes: Sequence[str]) -> list[str]:
    """The notes on copies among the rows of a model, for one that goes on from its sums."""
    own = [note for note in notes if KNOWN in note]
    return [note if note.startswith(BEFORE) else f"{BEFORE}{note}" for note in own]


def _few(larger: Sequence[str]) -> list[str]:
    return [*larger[:2], *([f"{len(larger) - 2} more targets likewise"] if larger[2:] else [])]


def _error(one: HeldOutRecord) -> tuple[str, float, float]:
    """The name and size of an error, and what grows as its square."""
    if one.classes is not None and one.loss is not None:
        return "log loss", one.loss, one.loss
    name, error, _ = error_told(one)
    return name, error, error**2


def _figure(one: HeldOutRecord, error: float) -> str:
    return share(error) if one.classes is not None else number(error)
