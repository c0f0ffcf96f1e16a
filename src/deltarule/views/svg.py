"""Figures drawn as SVG: no script, no plotly, one picture for light and dark, screen and paper.

It draws what `views.figures` uses of plotly's dicts and nothing else: lines, markers, level bars,
linear, log and named axes, straight shapes and texts without arrows. A colour of the light theme
becomes the CSS property of its role, so that the page around the picture chooses the look.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from html import escape, unescape
from typing import Any

from deltarule.dataclass import dataclass
from deltarule.views.marks import Figure, in_two_lines, plain
from deltarule.views.theme import FONT_SIZE, LIGHT

WIDTH, HEIGHT = 410, 276
ROW = 24
"""The height of a line on an axis of names."""
TALL_ROW = 32
"""The same, where a name takes two lines."""
LETTER = 0.6 * FONT_SIZE
"""How wide a letter is taken to be, in a wide font: margins depend on it, and where texts end."""
TOP, RIGHT, BOTTOM, BARE = 12, 16, 44, 30
MOST_NAMES = 0.42
"""How much of the width names may take."""
MOST_TITLES = 400
"""More points than this do not say their numbers when pointed at: it would be most of the file."""

ROLES = {color: f"var(--{role})" for role, color in asdict(LIGHT).items()}
ANCHORS = {"left": "start", "center": "middle", "right": "end"}
RISES = {"top": 0.9, "middle": 0.35, "bottom": -0.5}


@dataclass(frozen=True)
class Scale:
    """Where values of an axis stand: low at `start`, high at `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def at(self, value: float) -> float:
        """The place of a value; of a log axis, a value that is not above 0 stands at its foot."""
        if self.log:
            value = math.log10(value) if value > 0 else self.low
        return self.place(value)

    def place(self, value: float) -> float:
        """The place of a value that is a power of ten already where the axis is logarithmic."""
        # Halves, as the width of a range may be larger than the largest number.
        share = (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return self.start + (self.end - self.start) * min(max(share, -0.5), 1.5)

    def ticks(self) -> list[tuple[float, str]]:
        """Round values with their texts, about five."""
        if self.log and self.high - self.low >= 1:
            first, last = math.ceil(self.low), math.floor(self.high)
            every = max(1, round((last - first) / 5))
            return [(self.place(p), _power(p)) for p in range(first, last + 1, every)]
        low, high = (10**self.low, 10**self.high) if self.log else (self.low, self.high)
        step = _round_step(high / 5 - low / 5)
        count = range(math.ceil(low / step), math.floor(high / step) + 1)
        return [(self.at(at * step), tick(at * step, step)) for at in count]


def draw(figure: Figure, *, title: str = "") -> str:
    """The figure as an <svg> element, named for those who cannot see it.

    Every text in it is escaped, whatever the figure holds.
    """
    layout = figure["layout"]
    names = layout["yaxis"].get("ticktext")
    height = HEIGHT
    if names is not None:
        most = max(len(unescape(name)) for name in names)
        row = ROW if most <= _letters(_room(names)) else TALL_ROW
        height = TOP + BOTTOM + row * max(len(names), 2) - (0 if _title(layout["xaxis"]) else 16)
    x, y = _scales(layout, height)
    parts = [*_grid(layout, x, y)]
    parts += [_shape(shape, x, y) for shape in layout["shapes"]]
    for trace in figure["data"]:
        parts += _trace(trace, x, y)
    parts += [_note(one, x, y) for one in layout["annotations"]]
    alt = _text(layout["meta"]["alt"])
    named = f"<title>{_text(plain(title, 200))}</title>" if title else ""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{alt}" '
        f'font-size="{FONT_SIZE}">{named}{"".join(parts)}</svg>'
    )


def tick(value: float, step: float) -> str:
    """A round number on an axis: 2.5M, 40k, 0.25.

    >>> tick(2_500_000.0, 500_000.0), tick(-40_000.0, 20_000.0), tick(0.25, 0.05)
    ('2.5M', '-40k', '0.25')
    """
    if abs(value) < step / 2:
        return "0"
    size = max(abs(value), step)
    if size >= 1e15 or step < 1e-6:
        return f"{value:.3g}"
    for unit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if size >= max(unit, 10_000):
            return _digits(value / unit, step / unit) + letter
    return _digits(value, step)


def _digits(value: float, step: float) -> str:
    text = f"{value:,.{_places(step)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _places(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-9) + (f"{step:.1e}"[2] != "0"))


def _round_step(size: float) -> float:
    power = 10.0 ** math.floor(math.log10(size)) if size > 0 else 1.0
    return next((power * of for of in (1, 2, 2.5, 5) if power * of >= size * 0.95), power * 10)


def _power(power: int) -> str:
    return tick(10.0**power, 10.0**power) if -4 <= power < 15 else f"1e{power}"


def _scales(layout: Figure, height: float) -> tuple[Scale, Scale]:
    across, up = layout["xaxis"], layout["yaxis"]
    top, bottom = TOP, height - (BOTTOM if _title(across) else BARE)
    low, high = up["range"]
    y = Scale(low, high, start=bottom, end=top, log=up["type"] == "log")
    texts = up.get("ticktext") or [text for _, text in y.ticks()]
    left = _room(texts) + (18 if _title(up) else 0)
    low, high = across["range"]
    x = Scale(low, high, start=left, end=WIDTH - RIGHT, log=across["type"] == "log")
    return x, y


def _room(texts: Sequence[str]) -> float:
    """How much of the width the texts of the upright axis take."""
    widest = max((len(unescape(text)) for text in texts), default=1) * LETTER + 14
    return min(widest, WIDTH * MOST_NAMES)


def _letters(room: float) -> int:
    return max(int((room - 12) / LETTER), 1)


def _marked(axis: Figure, scale: Scale) -> list[tuple[float, str]]:
    """The marks that an axis brings with it."""
    pairs = zip(axis.get("tickvals", ()), axis.get("ticktext", ()), strict=True)
    return [(scale.at(value), text) for value, text in pairs]


def _title(axis: Figure) -> str:
    return str(axis["title"]["text"])


def _grid(layout: Figure, x: Scale, y: Scale) -> list[str]:
    across, up = layout["xaxis"], layout["yaxis"]
    line, quiet = f'stroke="{_color(up["gridcolor"])}"', f'fill="{_color(up["tickfont"]["color"])}"'
    small = f'font-size="{FONT_SIZE - 1}"'
    parts = []
    for at, text in _marked(across, x) or x.ticks():
        parts.append(f'<path d="M{at:.1f} {y.start:.1f}V{y.end:.1f}" {line}/>')
        parts.append(_label(at, y.start + 17, text, f'{quiet} {small} text-anchor="middle"'))
    if "ticktext" in up:
        most = _letters(x.start)
        for value, text in zip(up["tickvals"], up["ticktext"], strict=True):
            lines = in_two_lines(unescape(text), most)
            first = y.at(value) + FONT_SIZE * (0.35 - 0.5 * (len(lines) - 1))
            parts += [
                _label(
                    x.start - 10, first + FONT_SIZE * at, one, 'fill="var(--ink)" text-anchor="end"'
                )
                for at, one in enumerate(lines)
            ]
    else:
        for at, text in y.ticks():
            parts.append(f'<path d="M{x.start:.1f} {at:.1f}H{x.end:.1f}" {line}/>')
            end = f'{quiet} {small} text-anchor="end"'
            parts.append(_label(x.start - 7, at + 4, text, end))
    if title := _title(across):
        middle = f'{quiet} {small} text-anchor="middle"'
        parts.append(_label((x.start + x.end) / 2, y.start + 36, title, middle))
    if title := _title(up):
        at = (y.start + y.end) / 2
        turned = f'{quiet} {small} text-anchor="middle" transform="rotate(-90 12 {at:.1f})"'
        parts.append(_label(12, at, title, turned))
    return parts


def _shape(shape: Figure, x: Scale, y: Scale) -> str:
    def ends(axis: str, scale: Scale) -> tuple[float, float]:
        low, high = shape[f"{axis}0"], shape[f"{axis}1"]
        if shape.get(f"{axis}ref") == "paper":
            reach = scale.end - scale.start
            return scale.start + low * reach, scale.start + high * reach
        return scale.place(low), scale.place(high)

    (x0, x1), (y0, y1) = ends("x", x), ends("y", y)
    return f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" {_stroke(shape["line"])}/>'


def _trace(trace: Figure, x: Scale, y: Scale) -> list[str]:
    if trace["type"] == "bar":
        return _bars(trace, x, y)
    spots = [(x.at(a), y.at(b)) for a, b in zip(trace["x"], trace["y"], strict=True)]
    if not spots:
        return []
    if trace["mode"] == "lines":
        through = "L".join(f"{a:.1f} {b:.1f}" for a, b in spots)
        return [f'<path d="M{through}" fill="none" {_stroke(trace["line"])}/>']
    marker = trace["marker"]
    color, size = _color(marker["color"]), marker["size"]
    seen = f'opacity="{marker["opacity"]}"'
    if marker.get("symbol") == "line-ns-open":
        ticks = "".join(f"M{a:.1f} {b:.1f}v{-size}" for a, b in spots)
        return [f'<path d="{ticks}" stroke="{color}" {seen}/>']
    if "text" not in trace or len(spots) > MOST_TITLES:
        # Round ends of lines without length: a point then takes a dozen letters.
        dots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in spots)
        return [f'<path d="{dots}" stroke="{color}" stroke-width="{size}" {seen} class="dots"/>']
    return [
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{size / 2:g}" fill="{color}" {seen}>'
        f"<title>{_text(text)}</title></circle>"
        for (a, b), text in zip(spots, trace["text"], strict=True)
    ]


def _bars(trace: Figure, x: Scale, y: Scale) -> list[str]:
    color = _color(trace["marker"]["color"])
    parts = []
    whole = zip(trace["x"], trace["base"], trace["y"], trace["text"], strict=True)
    for length, base, place, text in whole:
        left, right = sorted((x.at(base), x.at(base + length)))
        top, bottom = sorted(y.at(place + half * trace["width"] / 2) for half in (1, -1))
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(right - left, 1):.1f}" '
            f'height="{bottom - top:.1f}" fill="{color}"><title>{_text(text)}</title></rect>'
        )
    return parts


def _note(note: Figure, x: Scale, y: Scale) -> str:
    at = x.place(note["x"]) + note.get("xshift", 0)
    height = y.place(note["y"]) + FONT_SIZE * RISES[note["yanchor"]]
    anchor = ANCHORS[note["xanchor"]]
    if anchor == "start" and at + len(unescape(note["text"])) * LETTER > WIDTH:
        at, anchor = WIDTH, "end"
    how = f'fill="{_color(note["font"]["color"])}" text-anchor="{anchor}"'
    return _label(
        at, height, note["text"], f'{how} font-size="{note["font"]["size"]}" class="note"'
    )


def _label(x: float, y: float, text: str, how: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {how}>{_text(text)}</text>'


def _stroke(line: Figure) -> str:
    dashes = ' stroke-dasharray="2 3"' if line.get("dash", "solid") != "solid" else ""
    return f'stroke="{_color(line["color"])}" stroke-width="{line["width"]:g}"{dashes}'


def _color(color: Any) -> str:
    # A colour that is no theme's would be one more way in, so it does not get there.
    return ROLES.get(str(color), "var(--quiet)")


def _text(text: str) -> str:
    """A figure's text, which is HTML already, as the text that it means, escaped once."""
    return escape(unescape(text))
