"""A model file and the file of its sums, which change together.

The model says which sums are its own, by their hash. New sums are written beside the old ones, then
the model is replaced, then the new sums take the old ones' name. Whenever that is interrupted, the
model's own sums are there: under their name, or beside it.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deltarule.errors import LearningError, ModelError, OutputError
from deltarule.model import record_file as saved
from deltarule.model.record import Record
from deltarule.output import check_writable, write_whole
from deltarule.tables import summary_file
from deltarule.tables.saved_file import saved_bytes


def sums_beside(model: Path) -> Path:
    """Where the sums of a model are, if nothing else is said: model.json has model.sums."""
    return model.with_suffix(".sums")


def check_loss(record: Record) -> None:
    """Refuse to look for sums where they would not give the weights.

    Errors:  LearningError, with what to do instead
    """
    other = next((loss for loss in record.losses if not loss.closed_form), None)
    if other is not None:
        raise LearningError(
            f"sums of rows do not give the weights of {other.name} loss, so the old rows are "
            "needed to learn more or to forget: learn anew from all that stay (a pattern of files, "
            "--where), next time with --keep-sample; or update, which takes a step for each new row"
        )


def save_both(record: Record, raw: bytes, model: Path, sums: Path) -> None:
    """Write both files; if that is interrupted, both are the old ones or both the new ones.

    Errors:  OutputError
    """
    check_writable(model)
    check_writable(sums)
    new = _new(sums)
    write_whole(new, lambda place: place.write_bytes(raw))
    own = hashlib.sha256(raw).hexdigest()
    saved.save(record.model_copy(update={"summary": own}), model)
    _take(new, sums)


def sums_of(record: Record, sums: Path) -> bytes:
    """The content of the file of a model's sums.

    Errors:  ModelError where they are of another model, or of another state of it
    """
    if record.summary is None:
        check_loss(record)
        raise ModelError("the model was saved without its sums: learn with --keep-summary FILE")
    new = _new(sums)
    for path in (sums, new) if new.exists() else (sums,):
        if path is sums and new.exists() and not sums.exists():
            continue  # interrupted before there were any
        raw = saved_bytes(path, what="summary", largest=summary_file.LARGEST_FILE)
        if hashlib.sha256(raw).hexdigest() == record.summary:
            if path is new:
                _take(new, sums)
            return raw
    raise ModelError(
        f"{sums} has the sums of another model, or of another state of this one: give its own, or "
        "learn again with --keep-summary"
    )


@contextmanager
def alone(sums: Path) -> Iterator[None]:
    """Only one process at a time changes a model and its sums; a second one is refused.

    Errors:  OutputError
    """
    try:
        import fcntl
    except ImportError:  # only POSIX has it
        yield
        return
    path = sums.with_name(f".{sums.name}.lock")
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = path.stat().st_ino == os.fstat(handle).st_ino  # not one that is done and gone
        except OSError:
            locked = False
        if not locked:
            raise OutputError(
                f"another process is changing {sums}: wait until it is done, then try again"
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _new(sums: Path) -> Path:
    return sums.with_name(f".{sums.name}.new")


def _take(new: Path, sums: Path) -> None:
    try:
        new.replace(sums)
    except OSError as error:
        raise OutputError(f"cannot write {sums}: {error.strerror or error}") from error
