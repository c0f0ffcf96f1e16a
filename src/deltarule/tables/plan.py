"""Plan: what a look at the first rows decides: each input's kind, and what folds depend on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from deltarule.dataclass import dataclass
from deltarule.errors import ColumnError, EmptyError, LearningError, TargetError
from deltarule.moments.block import Block
from deltarule.moments.chunked_array import ChunkedArray, Column, whole
from deltarule.moments.folds import NO_GROUP, RowKeys
from deltarule.rule.predict import Array
from deltarule.tables.cast import (
    FractionError,
    all_whole,
    check_exposure,
    class_names,
    numbers_of,
    row_weights_of,
)
from deltarule.tables.codes import LevelCodes, levels_of
from deltarule.tables.column_names import PATTERN, check_there, is_pattern
from deltarule.tables.fold_columns import (
    cluster_column,
    folds_by_time,
    key_column,
    keys_of,
    time_column,
)
from deltarule.tables.kinds import LeftOut, check_number, input_kind, kind_of
from deltarule.tables.left_out import gap, weight_gap
from deltarule.tables.level_counts import NEARLY_UNIQUE, LevelCounts
from deltarule.tables.polars_source import explained
from deltarule.tables.request import (
    ELIMINATED_IN_ALL,
    ELIMINATED_LEVELS,
    LARGEST_SUMS,
    MOST_LEVELS,
    MOST_LEVELS_IN_ALL,
    Request,
)
from deltarule.tables.row_ids import is_id, numbers_rows
from deltarule.tables.row_shares import RowShares
from deltarule.tables.source import LOOK_ROWS, ROW
from deltarule.tables.terms import Look, Term, Terms, one_term, target_term, terms_of
from deltarule.tables.text_formats import Formats, NumberFormat, PeriodFormat, format_of
from deltarule.tables.whole_numbers import WholeNumbers, whole_numbers

# Each class of a target has weights of its own, which sway those of all others.
MOST_CLASSES = 100
# Two different numbers in fewer rows than this are rather two amounts than two classes.
CLASSES_SHOW = 10


@dataclass
class Plan:
    """What the look decided: the kind of every input, and what the rows' folds depend on.

    `became` says what the columns turned into that are not used as they stand.
    """

    asked: Request
    terms: dict[str, Term]
    became: dict[str, list[str]]
    kinds: dict[str, pl.DataType]
    numbers: list[str]
    booleans: set[str]
    categories: list[str]
    left_out: list[LeftOut]
    levels: dict[str, "LevelCodes"]
    classes: list[str] = field(default_factory=list)
    """The targets whose values are classes."""
    target_kinds: dict[str, pl.DataType] = field(default_factory=dict)
    """The type of each target's values."""
    yes_no: set[str] = field(default_factory=set)
    """The targets of numbers that are all 0 or 1 as far as was looked."""
    fold_by: pl.Expr | None = None
    """The id, what groups rows, or what orders them in time; it is read as `fold_column`."""
    cluster_by: pl.Expr | None = None
    """What says which rows belong together, for standard errors."""
    cuts: tuple[float, ...] = ()
    """The times at which the second period and each later one begin."""
    offset: str | None = None
    """The name of the offset's term."""
    counts_of: dict[str, LevelCounts] = field(default_factory=dict)
    """The levels of each column of text, those of the look unless all rows were counted."""
    whole_numbers: dict[str, WholeNumbers] = field(default_factory=dict)
    """What targets of whole numbers look like, as far as the look shows."""
    ids: list[str] = field(default_factory=list)
    """Whole numbers that are inputs, though they seem to say only which row is which."""
    shares: RowShares | None = None
    """What rows count for by their number, beside a weight of their own; None for all alike."""
    rows_before: int = 0
    """How many rows were read before this table, by whose numbers folds go on."""
    formats: Formats = field(default_factory=dict)
    """How the text is read of each column that expressions or inputs read as another kind."""

    @property
    def beside(self) -> list[str]:
        """Numbers that stand after the targets: the offset, and the targets it was taken from."""
        if self.offset is None:
            return []
        return [self.offset, *(self.amounts if self.asked.shifted else ())]

    @property
    def width(self) -> int:
        """How many numbers a chunk of this plan has."""
        return len(self.numbers) + len(self.amounts) + len(self.beside)

    @property
    def eliminates(self) -> bool:
        """Whether the solver eliminates the largest category; classes are text, perhaps many."""
        return self.asked.eliminates and not self.classes

    @property
    def most_levels(self) -> int:
        """How many levels one category may keep."""
        usual = ELIMINATED_LEVELS if self.eliminates else MOST_LEVELS
        return usual if self.asked.levels is None else self.asked.levels

    @property
    def room(self) -> int:
        """How many levels all categories together may keep."""
        if self.eliminates:
            # Their sums with numbers, of each fold and of some that are at work.
            most = LARGEST_SUMS // (8 * self.asked.folds * (2 + self.width))
            return max(2, min(max(ELIMINATED_IN_ALL, 2 * self.most_levels), most))
        most = int(np.sqrt(LARGEST_SUMS / (8 * self.asked.folds))) - self.width
        return max(2, min(max(MOST_LEVELS_IN_ALL, 2 * self.most_levels), most))

    @property
    def amounts(self) -> list[str]:
        """The targets whose values are numbers."""
        return [target for target in self.asked.predict if target not in self.classes]

    @property
    def columns(self) -> list[pl.Expr]:
        """The columns to read, as numbers and text; classes as they are."""
        apart = [one for one in (self.asked.row_weight, self.offset) if one is not None]
        read = self._read([*self.numbers, *self.amounts, *apart], self.categories)
        read += [self.terms[name].polars(self.kinds) for name in self.classes]
        if self.asked.exposure is not None:
            exposure = Term(self.asked.exposure).polars(self.kinds)
            read.append(exposure.alias(self._unused("(exposure)")))
        if self.cluster_by is not None:
            read.append(self.cluster_by.alias(self._unused("(cluster)")))
        if self.fold_by is not None:
            read.append(self.fold_by.alias(self.fold_column))
        return [*read, pl.col(ROW).alias(self.row_column)] if ROW in self.kinds else read

    def read(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows of the table as these columns, and their numbers where they come with them."""
        numbers = [pl.col(ROW).alias(self.row_column)] if ROW in frame.columns else []
        return frame.select([*self.columns, *numbers])

    def causes(self, counts: Mapping[int, int]) -> dict[str, int]:
        """Why rows were left out, in words, and how many; from the counts of a chunk's causes."""
        asked = self.asked
        words = [gap(name) for name in [*self.numbers, *self.amounts]]
        if self.offset is not None:
            own = gap(self.offset) if asked.exposure is None else weight_gap(asked.exposure)
            words += [own, *map(gap, self.beside[1:])]
        words += [gap(name) for name in [*self.categories, *self.classes]]
        words += [gap(asked.time or ""), weight_gap(asked.row_weight or "")]
        found: dict[str, int] = {}
        for cause, rows in sorted(counts.items()):
            if rows:
                found[words[cause]] = found.get(words[cause], 0) + rows
        return found

    @property
    def times(self) -> list[pl.Expr]:
        """Of the rows that are learnt from: their times, and what each counts for."""
        asked = self.asked
        assert self.fold_by is not None, "there are times only where rows are ordered in time"
        offset = [] if self.offset is None else [self.offset]
        needed = self._read([*self.amounts, *offset], self.classes)
        if asked.drop_missing:
            needed += self._read(self.numbers, self.categories)
        weight = self._read([asked.row_weight], ())[0] if asked.row_weight else pl.lit(1.0)
        kept = pl.all_horizontal([one.is_not_null() for one in needed])
        return [
            self.fold_by.alias(self.fold_column),
            pl.when(kept).then(weight).otherwise(0.0).alias(f"{self.fold_column} counts"),
        ]

    @property
    def fold_column(self) -> str:
        """What the column is called that folds depend on."""
        return self._unused("(fold)")

    @property
    def row_column(self) -> str:
        """What the column of rows' numbers is called in a batch that has lost some of its rows."""
        return self._unused("(row)")

    def _unused(self, name: str) -> str:
        """A name that no column of the table has."""
        while name in self.kinds:
            name += "'"
        return name

    def _read(self, numbers: Sequence[str], texts: Sequence[str]) -> list[pl.Expr]:
        return [
            *(self.terms[name].polars(self.kinds).cast(pl.Float64) for name in numbers),
            *(self.terms[name].polars(self.kinds).cast(pl.String) for name in texts),
        ]

    def uncounted(
        self, counted: Collection[str], beyond: Collection[str] = ()
    ) -> dict[str, pl.Expr]:
        """The columns of text of which the look, or the read after it, does not show enough.

        They look nearly unique, or have more levels than are kept: which, all rows must say. Of
        those `beyond`, another read showed that they have more.
        """
        unsure = []
        for name, counts in self.counts_of.items():
            own = self.levels.get(name)
            lost = own is None or own.beyond > 0 or counts.distinct > own.most or name in beyond
            if lost and not counts.whole and name not in counted:
                unsure.append(name)
        return dict(zip(unsure, self._read((), unsure), strict=True))

    @property
    def read_through(self) -> dict[str, str]:
        """The kind of each column that expressions read: what it must be again at prediction."""
        through = [term for term in self.terms.values() if term.expression is not None]
        return {column: kind_of(self.kinds[column]) for term in through for column in term.columns}

    def chunk(self, frame: pl.DataFrame, *, name: str, row: int) -> Block:
        """A batch as the sums want it."""
        asked = self.asked
        every = [*self.numbers, *self.amounts]
        numbers: list[Column] = [ChunkedArray.of(frame[column]) for column in every]
        offsets = self.offsets(frame, name=name, row=row)
        if offsets is not None:
            targets = [whole(target) for target in numbers[len(self.numbers) :]]
            if asked.shifted:
                numbers[len(self.numbers) :] = [target - offsets for target in targets]
            numbers += [offsets, *(targets if asked.shifted else ())]
        told = {
            **{column: frame[column] for column in self.categories},
            **{column: class_names(frame[column]) for column in self.classes},
        }
        row_weights = self.row_weights(frame, name=name, row=row)
        if asked.copies and row_weights is not None and (row_weights % 1 != 0).any():
            raise FractionError
        return Block(
            numbers=numbers,
            targets=len(self.numbers),
            categories=[self.levels[column].codes(text) for column, text in told.items()],
            classes=len(self.classes),
            row_weights=row_weights,
            keys=self.keys(frame, name=name, row=row),
            drop_missing=asked.drop_missing,
            gaps=any(frame[column].null_count() for column in [*every, *self.beside])
            or any(told[column].null_count() for column in self.classes),
        )

    def offsets(self, frame: pl.DataFrame, *, name: str, row: int) -> Array | None:
        """What is added to each row's score, (n,), NaN where missing; None where nothing is.

        Errors:  ValueRefusedError for an infinite one, and for an exposure below 0
        """
        if self.offset is None:
            return None
        exposure = self.asked.exposure
        if exposure is not None:
            where = f"{name}, column '{exposure}'"
            check_exposure(frame[self._unused("(exposure)")], where=where, row=row)
        where = f"{name}, column '{self.offset}'"
        return numbers_of(frame[self.offset], where=where, row=row)

    def row_weights(self, frame: pl.DataFrame, *, name: str, row: int) -> Array | None:
        """What each row counts for, (n,), 0 where that is missing; None where all count alike.

        Errors:  ValueRefusedError for a weight below 0
        """
        own = row_weights_of(frame, self.asked.row_weight, name=name, row=row)
        if self.shares is None:
            return own
        shares = self.shares.of(self.numbers_of_rows(frame, row=row))
        return shares if own is None else own * shares

    def clusters(self, frame: pl.DataFrame) -> pl.Series | None:
        """The cluster of each row of a batch, (n,), null where it has none; None if none was asked.

        Its name is the column's or expression's.
        """
        if self.cluster_by is None:
            return None
        values = frame[self._unused("(cluster)")].alias(self.asked.cluster or "")
        return values.fill_nan(None) if values.dtype.is_float() else values

    @property
    def trials(self) -> bool:
        """Whether row weights count trials, of which the one target is the share of yes."""
        return bool(self.asked.copies and self.asked.trials and len(self.amounts) == 1)

    def numbers_of_rows(self, frame: pl.DataFrame, *, row: int) -> NDArray[np.intp]:
        """Each row's number in reading order, from 0: (n,); `row` came before this batch."""
        if self.row_column in frame.columns:
            return frame[self.row_column].to_numpy()
        return np.arange(row, row + frame.height)

    def keys(self, frame: pl.DataFrame, *, name: str, row: int) -> RowKeys:
        """What decides the folds of a batch's rows.

        Errors:  ValueRefusedError for an infinite id, group or time
        """
        asked, rows = self.asked, frame.height
        where = f"{name}, column '{asked.id or asked.group or asked.time}'"
        if asked.time is not None:
            by = frame[self.fold_column]
            return RowKeys(rows, periods=folds_by_time(by, self.cuts, where=where, row=row))
        keys = None
        if self.fold_by is not None or self.row_column in frame.columns:
            keys = self.numbers_of_rows(frame, row=row).astype(np.float64) + 1 + self.rows_before
        if self.fold_by is not None:
            gaps = keys if asked.group is None and keys is not None else NO_GROUP
            keys = keys_of(frame[self.fold_column], gaps, where=where, row=row)
        return RowKeys(
            rows, self.rows_before + row + 1, keys, copies=bool(asked.copies), trials=self.trials
        )


def plan(
    look: pl.DataFrame,
    asked: Request,
    *,
    name: str,
    formats: Formats | None = None,
    counted: Mapping[str, LevelCounts] | None = None,
) -> Plan:
    """What to make of each column; `formats` are those of columns that were text.

    `counted` are levels that were counted in all rows.

    Errors:  ColumnError, TargetError, EmptyError; LearningError when a column has two parts to
             play, ExpressionError for an expression that cannot be an input
    """
    formats = formats or {}
    if not look.columns or look.height == 0:
        raise EmptyError(f"{name} has no rows: there is nothing to learn from")
    weight = [asked.row_weight] if asked.row_weight else []
    apart = [*asked.predict, *weight]
    check_there(look.columns, weight, name=name)
    given = [*apart, *(asked.using or [])]
    twice = [column for column in given if given.count(column) > 1]
    if twice:
        raise LearningError(
            f"'{twice[0]}' is given twice: a column is either predicted, used or the weight"
        )
    numbers = {
        column: one.expression(column)
        for column, one in formats.items()
        if isinstance(one, NumberFormat)
    }
    periods = [column for column, one in formats.items() if isinstance(one, PeriodFormat)]
    shown = Look(look, name, asked.dates, numbers, periods)
    by = asked.id or asked.group or asked.time
    folds = one_term(by, shown) if by else None
    cluster = one_term(asked.cluster, shown) if asked.cluster else None
    offset = _offset(asked.offset, shown) if asked.offset else None
    terms = {one: target_term(one, shown) for one in apart}
    taken = {c for term in terms.values() for c in term.columns}
    using = asked.using
    if not using:
        check_there(look.columns, asked.without, name=name)
        left = {*taken, *asked.without}
        left |= {c for term in (folds, cluster, offset) if term for c in term.columns}
        using = [name for name in look.columns if name not in left and not is_pattern(name)]
    inputs = terms_of(using, shown) if asked.terms is None else _given(asked.terms, shown)
    for term in inputs.terms:
        # What is part of a target may be used all the same, as cost for price - cost.
        parts = {c for one in terms.values() if len(one.columns) > 1 for c in one.columns}
        for column in set(term.columns) & (taken - parts):
            raise LearningError(f"'{term.name}' uses '{column}', which is predicted or the weight")
        if asked.id is not None and folds is not None and set(term.columns) & set(folds.columns):
            raise LearningError(
                f"'{term.name}' uses the id '{asked.id}', which says who a row is of and explains "
                "nothing: leave it out"
            )
    terms |= {term.name: term for term in inputs.terms}
    if offset is not None:
        if offset.name in terms:
            raise LearningError(
                f"'{offset.name}' is the offset, which is not learnt: it cannot be predicted, used "
                "or the weight"
            )
        terms[offset.name] = offset
    kinds = dict(look.schema)
    view = evaluated(look.lazy(), list(terms.values()), kinds, name=name)
    read = dict.fromkeys(column for term in terms.values() for column in term.columns)
    own = {column: formats.get(column) or format_of(kinds[column]) for column in read}
    read_as = {column: one for column, one in own.items() if one is not None}
    left_out = _unusable(look, asked)
    made = Plan(asked, terms, inputs.became, kinds, [], set(), [], left_out, {}, formats=read_as)
    if folds is not None:
        made.fold_by = _fold_by(folds, look, asked, name=name)
    if cluster is not None:
        kind = evaluated(look.lazy(), [cluster], look.schema, name=name)[cluster.name].dtype
        made.cluster_by = cluster_column(cluster.polars(look.schema), kind)
    for target in asked.predict:
        made.target_kinds[target] = view[target].dtype
        _place_target(target, view[target], made, name)
        known = whole_numbers(view[target])
        if known is not None:
            made.whole_numbers[target] = known
    if offset is not None:
        made.offset = offset.name
        check_number(view[offset.name], f"{name}: the offset '{offset.name}'", ColumnError)
    if asked.shifted is None:
        made.asked = replace(asked, shifted=not (made.classes or made.yes_no))
    for column in weight:
        check_number(view[column], f"{name}: the weight '{column}'", ColumnError)
    if asked.copies is None:
        apart_ = asked.row_weight is not None and asked.group is None and asked.time is None
        made.asked = replace(made.asked, copies=apart_ and all_whole(view[weight[0]]))
    for term in inputs.terms:
        _place(term.name, view[term.name], made, counted or {})
        if term.expression is None and term.name in made.numbers and is_id(view[term.name]):
            made.ids.append(term.name)
    made.levels |= levels_of(
        {name: made.counts_of[name] for name in made.categories},
        counted or {},
        most=made.most_levels,
        room=made.room,
    )
    return made


def _given(terms: Mapping[str, str | None], shown: Look) -> Terms:
    """Inputs that are decided. Errors: ColumnError for a column that is not there."""
    found = [Term(name, expression) for name, expression in terms.items()]
    check_there(list(shown.kinds), [c for term in found for c in term.columns], name=shown.name)
    return Terms(found, {})


def evaluated(
    rows: pl.LazyFrame, terms: Sequence[Term], kinds: Mapping[str, pl.DataType], *, name: str
) -> pl.DataFrame:
    """The terms of some rows.

    Errors:  ReadError, UnparsedError for a value that an expression cannot take
    """
    with explained(name):
        return rows.select([term.polars(kinds) for term in terms]).collect()


def _unusable(look: pl.DataFrame, asked: Request) -> list[LeftOut]:
    """Columns that none of polars' methods can tell from several, where all are to be used."""
    names = [] if asked.using else [name for name in look.columns if is_pattern(name)]
    return [LeftOut(name=name, kind=kind_of(look.schema[name]), why=PATTERN) for name in names]


def _offset(one: str, shown: Look) -> Term:
    """A column of numbers, or of text that spells them, or an expression."""
    return target_term(one, shown) if one in shown.kinds else one_term(one, shown)


def _fold_by(term: Term, look: pl.DataFrame, asked: Request, *, name: str) -> pl.Expr:
    """The id, what groups rows, or what orders them in time."""
    kind = evaluated(look.lazy(), [term], look.schema, name=name)[term.name].dtype
    column = key_column if asked.time is None else time_column
    return column(term.polars(look.schema), kind, name=term.name, where=name)


def _place(column: str, values: pl.Series, made: Plan, counted: Mapping[str, LevelCounts]) -> None:
    """Put an input among the numbers or the categories, or leave it out."""
    kind, why = input_kind(values)
    if kind == "category":
        counts = counted.get(column) or LevelCounts.of(values, whole=len(values) < LOOK_ROWS)
        made.counts_of[column] = counts
        named = (made.terms[column].expression or "").startswith("category(")
        if counts.nearly_unique and not named:
            kind, why = "text", f"nearly unique to each row ({counts})"
    if not made.asked.using and numbers_rows(values):
        why = "it only numbers the rows"
    if why:
        made.left_out.append(LeftOut(name=column, kind=kind, why=why))
    elif kind == "category":
        made.categories.append(column)
    else:
        made.numbers.append(column)
        if kind == "boolean":
            made.booleans.add(column)


def _place_target(target: str, values: pl.Series, made: Plan, name: str) -> None:
    """Say whether a target's values are classes; else they must be numbers.

    Errors:  TargetError
    """
    takes = made.asked.takes.get(target, "numbers")
    present = (values.fill_nan(None) if values.dtype.is_float() else values).drop_nulls()
    kind = kind_of(values.dtype)
    text, countable = kind == "text", kind in ("number", "boolean")
    alike = set(present.unique().to_list()) if countable and present.n_unique() <= 2 else set()
    # Two shares between 0 and 1 are rather numbers, which logistic loss takes as they are.
    apart = len(alike) == 2 and not all(0 <= value <= 1 for value in alike)
    two = apart and len(present) >= CLASSES_SHOW
    repeated = text and present.n_unique() <= max(2, NEARLY_UNIQUE * len(present))
    if takes == "classes" or (takes == "either" and (repeated or two)):
        made.classes.append(target)
        made.levels[target] = LevelCodes((), MOST_CLASSES)
        if class_names(present).n_unique() > MOST_CLASSES:
            raise too_many(target, name)
        return
    more = ", or softmax loss for classes" if repeated else ""
    check_number(values, f"{name}: the target '{target}'", TargetError, more)
    if alike and alike <= {0, 1}:
        made.yes_no.add(target)


def too_many(target: str, name: str) -> TargetError:
    """The error of a target with more classes than can be learnt."""
    return TargetError(
        f"{name}: the target '{target}' has more than {MOST_CLASSES} different values, too many "
        "classes to predict: choose another target, or merge its values"
    )
