"""deltarule show: what a model is."""

import json
from pathlib import Path

from deltarule.cli.arguments import Json, ModelFile


def show(model: ModelFile, as_json: Json = False) -> None:
    """Show a model: the result, every weight, and what was done with each column.

    Of a file of sums or of kept rows, what it tells about rows.
    """
    from deltarule.model.model import load
    from deltarule.tables.summary_file import is_summary
    from deltarule.views.text import table

    if is_summary(Path(model)):
        from deltarule.fit.keep_learning import load_kept

        kept = load_kept(model)
        print(json.dumps(kept.to_dict()) if as_json else kept)
        return
    loaded = load(model)
    if as_json:
        print(json.dumps(loaded.to_dict(), allow_nan=False))
        return
    record = loaded.record
    print(loaded)
    print(f"\nWeights\n{table(loaded.weights.columns, loaded.weights.rows())}")
    rows = [(one.column, one.kind, one.done) for one in record.columns]
    print(f"\nColumns\n{table(['column', 'kind', 'done'], rows)}")
    print(f"\nLearnt from {record.learnt_from} at {record.learnt_at} by {record.written_by}.")
