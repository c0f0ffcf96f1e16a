"""The models by name. A file that changes is loaded and checked beside the old model, then swapped.

A broken file keeps the old model, and what is wrong with it is kept to be shown.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deltarule.errors import DeltaruleError, ModelError
from deltarule.serve.served import ServedModel, open_served
from deltarule.serve.settings import Limits

log = logging.getLogger("deltarule.serve")

Signature = tuple[int, int, int] | None


@dataclass
class Place:
    """A model's place: its file as it was when last read, the model, and what is wrong since."""

    path: Path
    signature: Signature
    served: ServedModel
    problem: str | None = None
    reloads: int = field(default=0)


class Shelf:
    """The models that are served. A request takes one model and keeps it to its end."""

    def __init__(
        self,
        paths: Mapping[str, Path],
        limits: Limits,
        *,
        reloaded: Callable[[str, bool], None] = lambda name, good: None,
    ) -> None:
        """Read all models; `reloaded` is told of every reload, and whether it was good.

        Errors:  ModelError and its kinds
        """
        self._limits, self._reloaded = limits, reloaded
        self._places: dict[str, Place] = {}
        for name, path in paths.items():
            signature = _signature(path)
            self._places[name] = Place(path, signature, open_served(name, path, limits))
        self.generation = 0
        """Goes up with every swap."""

    def __iter__(self) -> Iterator[ServedModel]:
        return iter([place.served for place in self._places.values()])

    def get(self, name: str) -> ServedModel | None:
        """The model of this name as it is now."""
        place = self._places.get(name)
        return None if place is None else place.served

    @property
    def names(self) -> list[str]:
        """The names of the models."""
        return list(self._places)

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with a model's file since the model that is served was read."""
        return {name: one.problem for name, one in self._places.items() if one.problem}

    def changed(self) -> list[str]:
        """The names of models whose files are others than those last read."""
        return [n for n, one in self._places.items() if _signature(one.path) != one.signature]

    def reload(self, name: str) -> None:
        """Read a model's file again, and swap the model if the file is good."""
        place = self._places[name]
        # Taken before the file is read: a change meanwhile is seen at the next look.
        signature = _signature(place.path)
        try:
            served = open_served(name, place.path, self._limits)
        except DeltaruleError as error:
            place.problem = _without_folder(str(error), place.path)
        except Exception as error:  # noqa: BLE001 - whatever a file does, the old model goes on
            place.problem = f"{place.path.name} cannot be used ({type(error).__name__})"
        else:
            place.served, place.problem = served, None
            place.reloads += 1
            self.generation += 1
        place.signature = signature
        good = place.problem is None
        log.info("%s: %s", name, "reloaded" if good else f"kept as it was: {place.problem}")
        self._reloaded(name, good)


def _signature(path: Path) -> Signature:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _without_folder(message: str, path: Path) -> str:
    """A message about a file without the folder it lies in."""
    return message.replace(str(path), path.name)


def named_paths(words: list[str]) -> dict[str, Path]:
    """The models of a command line by name: PATH is named after its file, NAME=PATH as it says.

    Errors:  ModelError for two models of one name
    """
    paths: dict[str, Path] = {}
    for word in words:
        before, sign, after = word.partition("=")
        named = bool(sign and before) and "/" not in before and not Path(word).exists()
        name, path = (before, Path(after)) if named else (Path(word).stem, Path(word))
        if not name.strip() or "/" in name or name in (".", ".."):
            raise ModelError(f"{word} gives no name to serve it under: write NAME=PATH")
        if name in paths:
            raise ModelError(f"two models are called {name}: name one, as in other={path}")
        paths[name] = path
    return paths
