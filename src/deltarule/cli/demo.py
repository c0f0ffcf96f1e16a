"""deltarule demo: all of it on real films."""

import shlex
import sys
from pathlib import Path

from deltarule.errors import OutputError

FILMS = "movies.csv"
DEMO = [
    f"learn {FILMS} --predict gross --using budget,genre,running_time --where 'year < 2008' "
    "--save movies-model.json",
    f"compare movies-model.json {FILMS} --where 'year >= 2008'",
    f"explain movies-model.json {FILMS} --row 3147",
]
"""Later films are held out: they are compared with, and one of them is explained."""


def demo() -> None:
    """Learn from real films: copies movies.csv here, then learns, compares and explains."""
    from deltarule.cli.application import application
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
        words = shlex.split(command)
        application(words)(words, prog_name="deltarule", standalone_mode=False)
