"""deltarule serve: predictions and explanations over HTTP."""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...", help="Model files, each served under its name, or as NAME=FILE."
        ),
    ],
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The address to listen at.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="NUMBER", help="The port; 0 for a free one."),
    ] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Answer only requests with the token in this file."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A name by which it is reached, such as that of a proxy before it."
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=256, metavar="NUMBER", help="So many processes.")
    ] = 1,
    reload: Annotated[
        float,
        typer.Option(
            min=0, max=86_400, metavar="SECONDS", help="Look at model files so often; 0 for never."
        ),
    ] = 0.5,
    max_mb: Annotated[
        float, typer.Option(min=0.001, max=1024, metavar="NUMBER", help="The largest body, in MB.")
    ] = 10.0,
    max_rows: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="The most rows of a request.")
    ] = 10_000,
    timeout: Annotated[
        float,
        typer.Option(min=0.1, max=3_600, metavar="SECONDS", help="The longest a request may take."),
    ] = 10.0,
) -> None:
    """Serve models over HTTP: predictions, explanations, a page to try them.

    deltarule serve model.json
    """
    from deltarule.errors import MissingExtraError

    try:
        import prometheus_client
        import starlette
        import uvicorn
    except ImportError as error:
        raise MissingExtraError(
            f"serving needs {error.name}: pip install 'deltarule[serve]'"
        ) from None
    del prometheus_client, starlette, uvicorn
    from deltarule.serve.process import serve as run
    from deltarule.serve.settings import Limits, Settings, host_names, read_token
    from deltarule.serve.shelf import named_paths

    settings = Settings(
        models=named_paths(models),
        host=host,
        port=port,
        token=None if token_file is None else read_token(token_file),
        allowed_hosts=host_names(allow_host or ()),
        workers=workers,
        reload_seconds=reload,
        limits=Limits(megabytes=max_mb, rows=max_rows, seconds=timeout),
    )

    def tell(address: str) -> None:
        print(f"Serving {', '.join(settings.models)} at {address}\nCtrl-C ends it.", flush=True)

    run(settings, tell=tell)
