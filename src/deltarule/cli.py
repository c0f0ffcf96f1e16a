"""The command line: learn, compare, predict, show, demo.

Nothing heavy is imported before a command runs, so that help is instant.
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
NAME = re.compile(r'\s*"(?:[^"]|"")*"\s*(?=,|$)|[^,]+')
QUOTED = re.compile(r'"(?:[^"]|"")*"')

TableFile = Annotated[Path, typer.Argument(metavar="TABLE", help="A CSV, TSV or Parquet file.")]
ModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model file, as learn --save writes it.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead, numbers at full precision.")
]


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
    table: TableFile,
    predict: Annotated[
        list[str], typer.Option(help="Columns to predict, with commas between them.")
    ],
    using: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns to predict from, with commas between them. Default: all that can be used."
        ),
    ] = None,
    loss: Annotated[
        str,
        typer.Option(
            help="What a wrong row counts for: squared, logistic (yes/no) or poisson (counts)."
        ),
    ] = "squared",
    ridge: Annotated[
        str,
        typer.Option(
            metavar="auto|0|NUMBER",
            help="Penalty on large weights; auto: only if it earns its place.",
        ),
    ] = "auto",
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
        predict=_names(predict),
        using=_names(using) if using else None,
        intercept=intercept,
        missing=missing,
        weight=weight,
        folds=folds,
        reference=dict(_pair(one) for one in _names(reference)),
        alpha=alpha,
    )
    frozen: dict[str, float | None] = {}
    for one in _names(freeze):
        name, value = _value(one)
        frozen[name] = value
    how = How(
        loss, _ridge(ridge), learner, alpha, _start(start), steps, tolerance, frozen_by(frozen)
    )
    with _progress() as progress:
        run = Run(table, wanted, how, progress=progress)
    if trace is not None:
        _trace(run, trace)
    model = run.model()
    if save is not None:
        model.save(save)
    print(json.dumps(model.to_dict(), allow_nan=False) if as_json else model)


def _names(options: list[str] | None) -> list[str]:
    """Comma-separated names, of one option or several.

    Quotes keep commas and outer spaces as part of a name; a quote inside quotes is doubled.
    """
    pieces = [piece for names in options or [] for piece in NAME.findall(names)]
    return [
        piece[1:-1].replace('""', '"') if QUOTED.fullmatch(piece) else piece
        for piece in map(str.strip, pieces)
        if piece
    ]


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.rpartition("=")
    if not found:
        raise typer.BadParameter(f"'{text}' is not COLUMN=LEVEL", param_hint="--reference")
    return name, value


def _value(text: str) -> tuple[str, float | None]:
    """NAME=NUMBER, or NAME alone: what follows the last = must be a number to count as one."""
    name, found, value = text.rpartition("=")
    try:
        return (name, float(value)) if found else (text, None)
    except ValueError:
        return text, None


def _start(text: str) -> float | dict[str, float]:
    pairs = [_value(one) for one in _names([text])]
    if len(pairs) == 1 and pairs[0][1] is None:
        try:
            return float(text)
        except ValueError:
            pass
    named = {name: value for name, value in pairs if value is not None}
    if len(named) != len(pairs):
        raise typer.BadParameter(
            f"'{text}' is neither a number nor NAME=NUMBER", param_hint="--start"
        )
    return named


def _ridge(text: str) -> Any:
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(
            f"'{text}' is neither auto nor a number", param_hint="--ridge"
        ) from None


@contextmanager
def _progress() -> "Iterator[Progress | None]":
    """Rows and rate on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("reading"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows, {task.fields[rate]:,.0f} a second"),
        TimeElapsedColumn(),
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
def compare(model: ModelFile, table: TableFile, as_json: Json = False) -> None:
    """Compare a model's predictions with a table that has the targets."""
    from deltarule.model import load

    found = load(model).compare(table)
    print(json.dumps(found.to_dict(), allow_nan=False) if as_json else found)


@app.command()
def predict(
    model: ModelFile,
    table: TableFile,
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
    rows: Annotated[int, typer.Option(min=1, help="Rows to show on the screen.")] = 10,
) -> None:
    """Predict each row of a table."""
    from deltarule.model import load
    from deltarule.tables.polars import CsvSource, open_file

    if out is not None and out != "-" and Path(out).suffix.lower() not in (".csv", ".parquet"):
        raise typer.BadParameter(f"'{out}' should end in .csv or .parquet", param_hint="--out")
    loaded = load(model)
    predicted, notes = loaded.predict_noticing(table, explain=explain)
    source = open_file(table)
    to_csv = out is not None and not out.lower().endswith(".parquet")
    # From CSV to CSV, cells stay as they were written.
    as_text = to_csv and isinstance(source, CsvSource)
    whole = source.cells() if as_text else source.all_rows()
    clash = [name for name in predicted.columns if name in whole.columns]
    whole = whole.drop(clash).hstack(predicted)
    if out is None:
        _show_predictions(loaded, whole, predicted.columns, rows)
    else:
        _write(whole, out)
    for note in notes:
        print(note, file=sys.stderr)


def _show_predictions(loaded: "Model", whole: Any, predicted: list[str], rows: int) -> None:
    from deltarule.views.text import table

    inputs = [column.name for column in loaded.record.contract.columns]
    shown = [*inputs, *(name for name in loaded.outputs if name in whole.columns), *predicted]
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
