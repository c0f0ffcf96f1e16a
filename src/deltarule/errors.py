"""What can go wrong, as one tree. Every message says what, where and what to do.

DeltaruleError
├── TableError           the table cannot be used
│   ├── NotFoundError        no such file
│   ├── ReadError            it is there but cannot be read as a table
│   ├── EmptyError           no rows, or none left to learn from
│   ├── ColumnError          a column that is not there, or there twice
│   ├── TargetError          a target the loss cannot take
│   └── ValueRefusedError    a value that cannot be computed with: infinite, wrong type
├── ModelError           the model file cannot be used
│   ├── NotAModelError       not one of ours, truncated or damaged
│   └── VersionError         written by a later deltarule
├── LearningError        the settings cannot be learnt with
│   ├── CurvatureError       the learner needs curvature and the objective has none
│   └── ExpressionError      an expression that cannot be an input
├── DivergedError        the weights grew beyond all numbers
├── OutputError          the result cannot be written there
├── ExportError          the model has no such form, or one that predicts otherwise
└── MissingExtraError    an optional package is not installed

No message repeats a password, or moves the cursor of a terminal.

PredictionWarning is a Python warning: rows that learning had not met the like of.
"""

import re

# What may move the cursor or turn the direction of writing: controls, marks of direction, other
# ends of lines, and halves of characters, which no encoding can write.
UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
# In a URL before the host; in a connection string or query of a URL, also with = written as %3D.
CREDENTIALS = (
    # A path has one slash where a URL has two.
    (
        re.compile(
            r"(?i)(//|\b[a-z][\w+.-]+:/|\bpostgres(?:ql)?:)(?!USER:PASSWORD@)[^\s/:@]*:[^\n]*@"
        ),
        r"\1***@",
    ),
    (
        re.compile(
            r"(?i)((?<![a-z])(?:ssl)?(?:pass(?:word|wd|phrase)?|pwd|secret|token|(?:api|access)_?key)"
            r"\s*(?:=|%3d)\s*)('[^']*'|\"[^\"]*\"|[^\s;&]+)"
        ),
        r"\1***",
    ),
)


def printable(text: str, *, one_line: bool = False) -> str:
    r"""Text with what a terminal would obey written as an escape; `one_line`: line ends too.

    >>> printable("a\x1b[2Jb\n", one_line=True)
    'a\\x1b[2Jb\\n'
    """
    safe = UNPRINTABLE.sub(lambda one: one[0].encode("unicode_escape").decode(), text)
    return safe.replace("\n", "\\n") if one_line else safe


def without_credentials(text: str) -> str:
    """Text in which no address has its password.

    >>> without_credentials("postgres://me:secret@host/db and host=h password='a b'")
    'postgres://***@host/db and host=h password=***'
    """
    for pattern, replacement in CREDENTIALS:
        text = pattern.sub(replacement, text)
    return text


class DeltaruleError(Exception):
    """Every error deltarule raises on purpose."""

    def __str__(self) -> str:
        """The message, as it can be shown to anybody and on any terminal."""
        return printable(without_credentials(super().__str__()), one_line=True)


class TableError(DeltaruleError):
    """The table cannot be used."""


class NotFoundError(TableError):
    """No such file."""


class ReadError(TableError):
    """The file is there but cannot be read as a table."""


class EmptyError(TableError):
    """No rows, or none left to learn from."""


class ColumnError(TableError):
    """A column that is not there, or there twice."""


class TargetError(TableError):
    """A target the loss cannot take."""


class ValueRefusedError(TableError):
    """A value that cannot be computed with."""


class ModelError(DeltaruleError):
    """The model file cannot be used."""


class NotAModelError(ModelError):
    """Not one of our files, truncated or damaged."""


class VersionError(ModelError):
    """Written by a later deltarule."""


class LearningError(DeltaruleError):
    """The settings cannot be learnt with."""


class CurvatureError(LearningError):
    """The learner needs curvature and the objective has none."""


class ExpressionError(LearningError):
    """An expression that cannot be an input."""


class DivergedError(DeltaruleError):
    """The weights grew beyond all numbers."""


class ExportError(DeltaruleError):
    """The model has no such form, or one that predicts otherwise."""


class OutputError(DeltaruleError):
    """The result cannot be written there."""


class NotFiniteError(ValueError):
    """A matrix has infinite numbers or NaN: whoever computed it says what that comes of."""


class MissingExtraError(DeltaruleError):
    """An optional package is not installed."""


class PredictionWarning(UserWarning):
    """Rows hold what learning had not met: unseen levels, gaps, values out of range, far scores."""
