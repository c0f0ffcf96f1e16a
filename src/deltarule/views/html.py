"""Pieces of HTML: sections, tables, figures with their numbers; whole pages and notebook cells.

What comes from a table or a model goes through `text`, or through a figure, which escapes too. A
page allows itself its own styles and nothing else: no script runs and nothing is fetched, even if
something slipped through.
"""

import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

from deltarule.views.format import number, on_one_line
from deltarule.views.marks import Figure
from deltarule.views.svg import draw
from deltarule.views.theme import DARK, FONT, LIGHT, css_names

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
LONGEST_TEXT = 300

WRITTEN_NUMBER = re.compile(r"([+-]?[\d,]*\.?\d+(e[+-]?\d+)?%?)?")
RIGHT = ' class="right"'


def text(value: object, longest: int = LONGEST_TEXT) -> str:
    """A text or a number as HTML that shows it and does nothing else.

    >>> text("<b>")
    '&lt;b&gt;'
    """
    line = number(value) if isinstance(value, float) else on_one_line(str(value))
    return escape(line if len(line) <= longest else line[: longest - 1] + "…")


def style() -> str:
    """The look, under a class of its own so that it changes nothing else in a notebook."""
    light, dark = css_names(LIGHT), css_names(DARK)
    dark_notebook = '[data-jp-theme-light="false"] .deltarule, .vscode-dark .deltarule'
    light_notebook = '[data-jp-theme-light="true"] .deltarule, .vscode-light .deltarule'
    rules = files("deltarule.views").joinpath("style.css").read_text(encoding="utf-8")
    return (
        f".deltarule {{ {light} font-family: {FONT}; }}\n"
        f"@media (prefers-color-scheme: dark) {{ .deltarule {{ {dark} }} }}\n"
        f"{dark_notebook} {{ {dark} }}\n{light_notebook} {{ {light} }}\n"
        # Paper is light, whatever the screen was.
        f"@media print {{ .deltarule {{ {light} }} }}\n{rules}"
    )


def page(title: str, body: str) -> str:
    """A whole document that asks for nothing from outside."""
    return (
        '<!doctype html>\n<html lang="en" class="deltarule">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(title)}</title>\n<style>\n{style()}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def cell(body: str) -> str:
    """What a notebook shows: the same look, changing nothing around it."""
    return f'<div class="deltarule"><style>{style()}</style>{body}</div>'


def heading(line: str) -> str:
    """The title of all of it."""
    return f"<h1>{text(line)}</h1>"


def quiet(line: str) -> str:
    """A sentence in the background."""
    return f'<p class="quiet">{text(line)}</p>'


def grid(drawn: Sequence[str]) -> str:
    """Figures beside each other, as many as there is room for."""
    return f'<div class="grid">{"".join(drawn)}</div>'


def footer(lines: Sequence[str]) -> str:
    """Where all of it comes from."""
    return f"<footer>{sentences(lines)}</footer>"


def section(head: str, body: str, *, level: int = 2, lead: str = "") -> str:
    """A headed part; `lead` is a sentence below the heading."""
    return (
        f"<section><h{level}>{text(head)}</h{level}>{quiet(lead) if lead else ''}{body}</section>\n"
    )


def sentences(lines: Sequence[str]) -> str:
    """Paragraphs of text."""
    return "".join(f"<p>{text(line, 3000)}</p>" for line in lines)


def listed(lines: Sequence[str]) -> str:
    """A list of texts."""
    if not lines:
        return ""
    return f"<ul>{''.join(f'<li>{text(line, 1000)}</li>' for line in lines)}</ul>"


def big_numbers(pairs: Sequence[tuple[str, str]]) -> str:
    """The few numbers to see first, each with what it is."""
    items = "".join(
        f"<div><dt>{text(what)}</dt><dd>{text(value)}</dd></div>" for what, value in pairs
    )
    return f'<dl class="big">{items}</dl>'


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, sum_last: bool = False) -> str:
    """A table; columns of numbers to the right, the first column heads its row."""
    right = [
        bool(rows) and all(_is_number(row[at]) for row in rows) and at > 0
        for at in range(len(head))
    ]
    sides = [RIGHT if of else "" for of in right]
    lines = []
    for place, row in enumerate(rows):
        cells = [
            f"<td{side}>{_shown(value)}</td>"
            for value, side in zip(row[1:], sides[1:], strict=True)
        ]
        kind = ' class="sum"' if sum_last and place == len(rows) - 1 else ""
        first = f'<th scope="row">{_shown(row[0])}</th>'
        lines.append(f"<tr{kind}>{first}{''.join(cells)}</tr>")
    top = "".join(
        f'<th scope="col"{side}>{text(name)}</th>' for name, side in zip(head, sides, strict=True)
    )
    return (
        f'<div class="wide" role="region" aria-label="table" tabindex="0"><table>'
        f"<thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _is_number(value: Any) -> bool:
    if isinstance(value, str):  # written already, as numbers that add up are
        return WRITTEN_NUMBER.fullmatch(value) is not None
    return value is None or isinstance(value, int | float)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return text(f"{value:,}") if isinstance(value, int) else text(value)


def figure(made: Figure, head: str, says: str, numbers: str = "", *, level: int = 3) -> str:
    """A figure with a heading, a sentence that says how to read it, and its numbers as a table."""
    below = f"<details><summary>the numbers</summary>{numbers}</details>" if numbers else ""
    return (
        f"<figure><h{level}>{text(head)}</h{level}><figcaption>{text(says, 600)}</figcaption>"
        f"{draw(made, title=head)}{below}</figure>"
    )
