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
└── MissingExtraError    an optional package is not installed
"""


class DeltaruleError(Exception):
    """Every error deltarule raises on purpose."""


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


class OutputError(DeltaruleError):
    """The result cannot be written there."""


class MissingExtraError(DeltaruleError):
    """An optional package is not installed."""
