"""The time that a query may take in a database of this process: then it is interrupted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

from deltarule.errors import ReadError

RAISE = "raise --query-timeout, or give a query of fewer rows"


@contextmanager
def limited(seconds: float | None, interrupt: Callable[[], object], *, name: str) -> Iterator[None]:
    """Interrupt what is done here once it has taken so many seconds; None for no end.

    Errors:  ReadError once it was interrupted
    """
    if seconds is None:
        yield
        return
    late = False

    def end() -> None:
        nonlocal late
        late = True
        interrupt()

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if not late:
            raise
        raise ReadError(
            f"{name} cannot be read: a query took more than {seconds:g} s: {RAISE}"
        ) from None
    finally:
        timer.cancel()
