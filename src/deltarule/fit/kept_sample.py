"""Kept sample: rows kept with a model, drawn evenly, so that others can be learnt with them.

Where sums do not give the weights (losses other than squared, times, robust errors), rows do: all
of them, if they are given again, or those that were kept, each of which stands for its share.
"""

import json
from pathlib import Path
from typing import Any, ClassVar, Self

from deltarule.dataclass import dataclass
from deltarule.errors import LearningError
from deltarule.fit.kept_settings import KeptSettings, settings_in
from deltarule.fit.settings import Settings
from deltarule.model.model import Model
from deltarule.tables.kept_rows import KeptRows, draw
from deltarule.tables.kept_rows_file import SavedRows, fingerprint, from_bytes, to_bytes
from deltarule.tables.one_read import Read
from deltarule.tables.plan import Plan
from deltarule.tables.terms import Term


@dataclass(frozen=True)
class KeptSample:
    """Rows of the tables that a model was learnt from; `parts` are these tables' fingerprints."""

    takes_rows: ClassVar[bool] = False
    """Whether rows that are learnt one by one join."""
    rows: KeptRows
    parts: tuple[str, ...]
    kept: KeptSettings
    name: str

    @classmethod
    def of(cls, read: Read, settings: Settings) -> Self:
        """Rows of what was read, by another read."""
        assert settings.keep_sample is not None, "it was asked for"
        key = key_of(read.plan)
        rows = draw(read.source, columns_of(read.plan), key, int(settings.keep_sample))
        return cls(rows, (fingerprint(rows),), KeptSettings.of_rows(settings), read.source.name)

    @classmethod
    def of_bytes(cls, raw: bytes, path: str | Path) -> Self:
        """From the bytes of a file of rows.

        Errors:  ModelError and its kinds
        """
        saved = from_bytes(raw, name=str(path))
        kept = settings_in(saved.settings, path)
        return cls(saved.rows, saved.parts, kept, Path(path).name)

    def to_bytes(self) -> bytes:
        """The content of its file."""
        return to_bytes(SavedRows(self.rows, self.parts, json.loads(self.kept.model_dump_json())))

    def check_rare(self, least: int) -> None:
        """Refuse to hand rows on as if they were sums.

        Errors:  LearningError
        """
        if least > 1:
            raise LearningError(
                "a sample is rows as they are, which are not for exchange: keep sums in its place "
                "(--keep-summary without --keep-sample), which squared loss can be learnt from"
            )

    def joined(self, table: Any) -> Self:
        """Errors: LearningError, as rows that are learnt one by one are not drawn."""
        raise LearningError("rows that are learnt one by one do not join a sample")

    def learn_more(self, model: Model, table: Any, *, again: bool, old: Any = None) -> Model:
        """As `Model.learn_more`."""
        from deltarule.fit import learn_again

        return learn_again.learn_more(model, self, table, again=again, old=old)

    def forget(self, model: Model, table: Any, *, where: str | None, old: Any = None) -> Model:
        """As `Model.forget`."""
        from deltarule.fit import learn_again

        return learn_again.forget(model, self, table, where=where, old=old)

    def to_dict(self) -> dict[str, Any]:
        """What the file tells about rows, as plain data."""
        rows = self.rows
        return {
            "rows": len(rows.draws),
            "drawn_from": rows.total,
            "most": rows.most,
            "drawn_by": self.kept.id or "row number",
            "columns": {name: str(kind) for name, kind in rows.frame.schema.items()},
            "settings": json.loads(self.kept.model_dump_json()),
        }

    def __str__(self) -> str:
        """What the file tells about rows."""
        rows = self.rows
        whole = "all of them" if rows.all_there else "drawn evenly"
        return "\n".join(
            [
                f"{len(rows.draws):,} of {rows.total:,} rows, {whole}, by which "
                f"{' and '.join(self.kept.predict)} can be learnt with more rows.",
                f"  columns: {', '.join(rows.frame.columns)}",
                f"  drawn by {self.kept.id or 'row number'}, at most {rows.most:,}",
                "These are rows as they are: whoever has the file has them. Keep it as you keep "
                "the table; --keep-sample 0 keeps none.",
            ]
        )


def key_of(plan: Plan) -> Any:
    """What rows are drawn by: the id, None for their numbers."""
    return plan.fold_by if plan.request.id is not None else None


def columns_of(plan: Plan) -> list[str]:
    """The table's columns that a plan reads, in the table's order."""
    asked = plan.request
    read = {column for term in plan.terms.values() for column in term.columns}
    if asked.exposure is not None:
        read |= set(Term(asked.exposure).columns)
    for one in (plan.fold_by, plan.cluster_by):
        read |= set() if one is None else set(one.meta.root_names())
    return [name for name in plan.kinds if name in read]
