"""The command line: learn, compare, predict, columns, show, demo.

Nothing heavy is imported before a command runs, so that help is instant.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deltarule.arguments import (
    DatabaseTable,
    Dates,
    How,
    Json,
    ModelFile,
    MostLevels,
    Query,
    Table,
    name_and_value,
    names,
    pair,
    start_of,
    strength_of,
)
from deltarule.errors import DeltaruleError, LearningError, OutputError

if TYPE_CHECKING:
    from deltarule.learning import Run
    from deltarule.model import Model
    from deltarule.tables.reading import Progress

app = typer.Typer(
    name="deltarule",
    help="Learn to predict columns of a table from its others: predict, compare, learn.",
    epilog="Try it on real films: deltarule demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ON_SCREEN = "-"


def main() -> None:
    """Run a command. Exit codes: 0 done, 1 data or model cannot be used, 2 wrong usage."""
    try:
        app(_trace_without_file(sys.argv[1:]))
    except DeltaruleError as error:
        print(f"deltarule: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, LearningError) else 1)
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        sys.stdout = None  # nothing may be flushed into the closed pipe
        sys.exit(0)


def _trace_without_file(arguments: list[str]) -> list[str]:
    """`--trace` alone means the screen: typer options either always or never take a value."""
    return [
        f"--trace={ON_SCREEN}" if one == "--trace" and following.startswith("-") else one
        for one, following in pairwise([*arguments, "--"])
    ]


@app.command()
def learn(
    table: Table,
    predict: Annotated[
        list[str], typer.Option(help="Columns to predict, with commas between them.")
    ],
    using: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns to predict from, with commas between them, or SQL expressions over them: "
            "log(budget), year - 1970, budget:genre, poly(x, 3). Default: all that can be used."
        ),
    ] = None,
    loss: Annotated[
        str,
        typer.Option(
            help="What a wrong row counts for: squared, logistic (yes/no), poisson (counts), gamma "
            "or tweedie(1.5) (amounts), huber (outliers), absolute (median), quantile(0.9) (bound)."
        ),
    ] = "squared",
    ridge: Annotated[
        str,
        typer.Option(
            metavar="auto|0|NUMBER",
            help="Penalty on large weights; auto: only if it earns its place.",
        ),
    ] = "auto",
    lasso: Annotated[
        str,
        typer.Option(
            metavar="auto|0|NUMBER",
            help="Penalty that leaves weights at 0, in the target's units; auto: as for ridge.",
        ),
    ] = "0",
    positive: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Weights that may not be below 0."),
    ] = None,
    intercept: Annotated[
        bool,
        typer.Option(
            "--intercept/--no-intercept", help="Whether predictions may start from other than 0."
        ),
    ] = True,
    missing: Annotated[
        str,
        typer.Option(
            metavar="fill|drop", help="Fill missing inputs with the mean, or drop their rows."
        ),
    ] = "fill",
    weight: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="A column that counts rows.")
    ] = None,
    folds: Annotated[
        int, typer.Option(help="Parts to hold out in turn for the error on rows never seen.")
    ] = 5,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=LEVEL",
            help="The level others are measured from. Default: the most frequent.",
        ),
    ] = None,
    learner: Annotated[
        str | None,
        typer.Option(
            help="exact, descent, momentum or newton. Default: exact, or newton where it must."
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(help="The learning rate: plain descent on the inputs as they stand."),
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            metavar="NUMBER|NAME=NUMBER", help="What weights start at, all of them or by name."
        ),
    ] = "0",
    steps: Annotated[int, typer.Option(help="The most steps to take.")] = 10_000,
    tolerance: Annotated[
        float,
        typer.Option(
            help="Stop when every weight_delta is this small beside the largest at the start."
        ),
    ] = 1e-8,
    freeze: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=NUMBER]", help="Weights that keep their start, or this value."),
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option(metavar="[FILE]", help="Every step, on the screen or into a CSV file."),
    ] = None,
    dates: Dates = None,
    levels: MostLevels = 1024,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the model here.")] = None,
    as_json: Json = False,
) -> None:
    """Learn a model from a table, and say what it predicts, how well, and how it learnt.

    deltarule learn movies.csv --predict gross --using budget,genre --save model.json
    """
    from deltarule.learning import Run, asked
    from deltarule.learning.settings import How, frozen_by

    if as_json and trace == ON_SCREEN:
        raise typer.BadParameter("with --json, give --trace a file", param_hint="--trace")
    wanted = asked(
        predict=names(predict),
        using=names(using) if using else None,
        intercept=intercept,
        missing=missing,
        weight=weight,
        folds=folds,
        reference=dict(pair(one, "--reference", "COLUMN=LEVEL") for one in names(reference)),
        dates=names(dates) if dates else None,
        levels=levels,
        alpha=alpha,
    )
    frozen: dict[str, float | None] = {}
    for one in names(freeze):
        name, number = name_and_value(one)
        frozen[name] = number
    how = How(
        *(loss, strength_of(ridge, "--ridge"), learner, alpha, start_of(start), steps, tolerance),
        frozen_by(frozen),
        lasso=strength_of(lasso, "--lasso"),
        positive=names(positive),
    )
    source = _source(table, read, db_table, query)
    with _progress() as progress:
        run = Run(source, wanted, how, progress=progress)
    if trace is not None:
        _trace(run, trace)
    model = run.model()
    if save is not None:
        model.save(save)
    print(json.dumps(model.to_dict(), allow_nan=False) if as_json else model)


def _source(table: str, read: list[str] | None, db_table: str | None, query: str | None) -> Any:
    """The table that the command line names."""
    from deltarule.tables.frames import source

    how = dict(pair(one, "--read", "KEY=VALUE") for one in read or [])
    return source(table, table=db_table, query=query, **how)


@contextmanager
def _progress() -> "Iterator[Progress | None]":
    """Rows, rate and, where the rows are known, the time left on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("reading"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows, {task.fields[rate]:,.0f} a second"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None, rate=0.0)

        def show(rows: int, total: int | None) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            bar.update(task, completed=rows, total=total, rate=rows / elapsed if elapsed else 0.0)

        yield show


def _trace(run: "Run", to: str) -> None:
    from deltarule.saved import write_whole
    from deltarule.views.text import Ledger

    schema = run.read.schema
    ledger = Ledger([target.name for target in schema.targets], schema.inputs)
    if to == ON_SCREEN:
        none = True
        for line in ledger.lines(iter(run)):
            none = False
            print(line)
        print(
            "solved exactly: there are no steps to trace; give --alpha or --learner\n"
            if none
            else ""
        )
        return

    def fill(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as lines:
            ledger.write(iter(run), lines)

    write_whole(Path(to), fill)


@app.command()
def compare(
    model: ModelFile,
    table: Table,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    as_json: Json = False,
) -> None:
    """Compare a model's predictions with a table that has the targets."""
    from deltarule.model import load

    found = load(model).compare(_source(table, read, db_table, query))
    print(json.dumps(found.to_dict(), allow_nan=False) if as_json else found)


@app.command()
def predict(
    model: ModelFile,
    table: Table,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write all rows and columns to a .csv or .parquet file; - for the screen.",
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Add each column's contribution: average + contributions = prediction.",
        ),
    ] = False,
    flags: Annotated[
        bool, typer.Option("--flags", help="Say of each row what learning had not met.")
    ] = False,
    to_table: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Write all rows to a new table of the same database."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows to show on the screen.")] = 10,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
) -> None:
    """Predict each row of a table."""
    from deltarule.model import load
    from deltarule.tables.databases.address import is_database
    from deltarule.tables.databases.database import write_table
    from deltarule.tables.files.delimited import CsvSource
    from deltarule.tables.source import all_rows

    if out is not None and out != "-" and Path(out).suffix.lower() not in (".csv", ".parquet"):
        raise typer.BadParameter(f"'{out}' should end in .csv or .parquet", param_hint="--out")
    loaded = load(model)
    source = _source(table, read, db_table, query)
    if to_table is not None and not is_database(table):
        raise typer.BadParameter("the table is not in a database", param_hint="--to-table")
    predicted, notes = loaded.predict_noticing(source, explain=explain, flags=flags)
    to_csv = out is not None and not out.lower().endswith(".parquet")
    # From CSV to CSV, cells stay as they were written.
    as_text = to_csv and isinstance(source, CsvSource)
    whole = source.cells() if as_text else all_rows(source)
    clash = [name for name in predicted.columns if name in whole.columns]
    whole = whole.drop(clash).hstack(predicted)
    if to_table is not None:
        written = write_table(table, to_table, [whole])
        print(f"{written:,} rows written to the new table {to_table}")
    elif out is None:
        _show_predictions(loaded, whole, predicted.columns, rows)
    else:
        _write(whole, out)
    for note in notes:
        print(note, file=sys.stderr)


def _show_predictions(loaded: "Model", whole: Any, predicted: list[str], rows: int) -> None:
    from deltarule.views.text import table

    targets = [c for one in loaded.record.contract.targets for c in one.term.columns]
    shown = [
        *loaded.record.contract.needs,
        *(name for name in targets if name in whole.columns),
        *predicted,
    ]
    head = whole.select(shown).head(rows)
    print(table(head.columns, head.rows()))
    if whole.height > rows:
        print(f"... {whole.height - rows:,} more rows: --out FILE writes them all")


def _write(whole: Any, out: str) -> None:
    from deltarule.saved import write_whole

    nested = [name for name, kind in whole.schema.items() if kind.is_nested()]
    if nested and not out.lower().endswith(".parquet"):
        what = f"column '{nested[0]}' holds lists, which CSV cannot: use .parquet"
        raise OutputError(f"cannot write {out}: {what}")

    if out == "-":
        print(whole.write_csv(), end="")
    elif out.lower().endswith(".csv"):
        write_whole(Path(out), whole.write_csv)
    else:
        write_whole(Path(out), whole.write_parquet)


@app.command()
def columns(
    table: Table,
    dates: Dates = None,
    levels: MostLevels = 1024,
    read: How = None,
    db_table: DatabaseTable = None,
    query: Query = None,
    as_json: Json = False,
) -> None:
    """Show how a table is understood: its form, each column's kind, what learn would make of it.

    deltarule columns movies.csv
    """
    from deltarule.learning.columns import columns
    from deltarule.views.text import table as as_table

    parts = names(dates) if dates else None
    source = _source(table, read, db_table, query)
    with _progress() as progress:
        found = columns(source, dates=parts, levels=levels, progress=progress)
    told = found.columns
    if as_json:
        print(json.dumps({**vars(found), "columns": told.to_dicts()}, allow_nan=False))
        return
    rows = "" if found.rows is None else f", {found.rows:,} rows"
    print(f"{found.name}: {found.dialect}{rows}\n")
    print(as_table(told.columns, told.rows()))
    for note in found.notes:
        print(f"\n{note}")


@app.command()
def show(model: ModelFile, as_json: Json = False) -> None:
    """Show a model: the result, every weight, and what was done with each column."""
    from deltarule.model import load
    from deltarule.views.text import table

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


FILMS = "movies.csv"
DEMO = [
    f"learn {FILMS} --predict gross --using budget,genre,running_time --save movies-model.json",
    f"compare movies-model.json {FILMS}",
    f"predict movies-model.json {FILMS} --explain --rows 5",
]


@app.command()
def demo() -> None:
    """Learn from real films: copies movies.csv here, then learns, compares and predicts."""
    from deltarule.saved import write_whole

    shipped = Path(__file__).parent / "data"
    films = (shipped / FILMS).read_bytes()
    here = Path(FILMS)
    if here.exists() and not (here.is_file() and here.read_bytes() == films):
        raise OutputError(f"another {FILMS} is here and is kept: run the demo in an empty folder")
    if not here.exists():
        write_whole(here, lambda temporary: temporary.write_bytes(films))
        print(f"{FILMS}: 3,201 films with budget and gross in US dollars. Where they come from:")
        print(f"{shipped / 'PROVENANCE.md'}")
    for command in DEMO:
        print(f"\n$ deltarule {command}")
        sys.stdout.flush()
        app(command.split(), standalone_mode=False)
