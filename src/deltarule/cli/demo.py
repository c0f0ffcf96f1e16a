"""deltarule demo: all of it on real films."""

import sys
from pathlib import Path

import typer

from deltarule.errors import OutputError

FILMS = "movies.csv"
DEMO = [
    f"learn {FILMS} --predict gross --using budget,genre,running_time --save movies-model.json",
    f"compare movies-model.json {FILMS}",
    f"predict movies-model.json {FILMS} --explain --rows 5",
]


def demo(context: typer.Context) -> None:
    """Learn from real films: copies movies.csv here, then learns, compares and predicts."""
    from deltarule.output import write_whole

    shipped = Path(__file__).parents[1] / "data"
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
        assert context.parent is not None, "a command has the app above it"
        context.parent.command.main(command.split(), standalone_mode=False)
