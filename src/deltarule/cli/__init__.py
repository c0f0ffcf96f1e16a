"""The command line. Each command has a module of its own, named after it.

Nothing heavy is imported before a command runs, so that help is instant.
"""

import atexit
import gc
import os
import sys
from itertools import pairwise

# Loading a command makes 120,000 objects that stay: looking through them took a tenth of its time.
COLLECT_EVERY = 200_000


def main() -> None:
    """Run a command. Exit codes: 0 done, 1 data or model cannot be used, 2 wrong usage."""
    gc.set_threshold(COLLECT_EVERY)
    atexit.register(gc.freeze)  # nor is it looked through once more as the process ends
    # Nobody's plugins belong in a command: looking for them in all packages takes pydantic 20 ms.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # polars decodes at least 8 row groups ahead, which is no faster than one for each core but one.
    os.environ.setdefault("POLARS_ROW_GROUP_PREFETCH_SIZE", str(max(1, (os.cpu_count() or 2) - 1)))
    from deltarule.cli.application import application
    from deltarule.cli.guard import guarded

    arguments = _trace_without_file(sys.argv[1:])
    app = application(arguments)
    sys.exit(guarded(lambda: app(arguments, prog_name="deltarule", standalone_mode=False)))


def _trace_without_file(arguments: list[str]) -> list[str]:
    """`--trace` alone means the screen: typer options either always or never take a value."""
    from deltarule.cli.arguments import ON_SCREEN

    return [
        f"--trace={ON_SCREEN}" if one == "--trace" and following.startswith("-") else one
        for one, following in pairwise([*arguments, "--"])
    ]
