"""The look of every figure, page and report, as data: two sets of the same few colours.

`model` is for what the model says (predictions, what raises one), `delta` for how far off it is
and for what lowers one, `weight` for weights where they are shown beside predictions. They differ
in lightness as well as in hue, so that colour-blind people and black-and-white prints keep them
apart, and signs are always printed too. Each has a contrast of 4.5 or more to paper.

Source:  the hues of Okabe & Ito, Color Universal Design, 2008; contrast as WCAG 2.1 counts it
"""

from dataclasses import asdict

from deltarule.dataclass import dataclass

FONT = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
FONT_SIZE = 13


@dataclass(frozen=True)
class Theme:
    """The colours of one look."""

    paper: str
    """What everything stands on."""
    ink: str
    quiet: str
    """Axes' labels and what may be overlooked."""
    line: str
    """Grids and borders."""
    model: str
    delta: str
    weight: str


LIGHT = Theme(
    paper="#ffffff",
    ink="#1b1f24",
    quiet="#586272",
    line="#d8dde4",
    model="#0069a8",
    delta="#b04700",
    weight="#007a5c",
)
DARK = Theme(
    paper="#14181d",
    ink="#e7eaee",
    quiet="#a2acb9",
    line="#38404b",
    model="#5ab4ea",
    delta="#f2a541",
    weight="#46c79f",
)


def css_names(theme: Theme) -> str:
    """The colours as CSS custom properties.

    >>> css_names(LIGHT)[:35]
    '--paper: #ffffff; --ink: #1b1f24; -'
    """
    return " ".join(f"--{role}: {color};" for role, color in asdict(theme).items())
