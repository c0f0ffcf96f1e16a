"""The text of each setting, read from the source of `Settings` without importing it.

Help is instant only where nothing heavy is imported, and parsing the file as Python takes 60 ms.
"""

import re
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parent / "fit" / "settings.py"
# A setting, its type and default, which may go on over further lines, and the text below.
TEXT = re.compile(
    r'^    (?P<name>[a-z_]+): [^\n]*\n(?:    [ \])}][^\n]*\n)*    """(?P<text>.*?)"""', re.M | re.S
)


@cache
def setting_texts() -> dict[str, str]:
    """Each setting's text: the string that stands below it in `Settings`."""
    body = SOURCE.read_text(encoding="utf-8").partition("\nclass Settings")[2]
    return {
        found["name"]: " ".join(found["text"].split())
        for found in TEXT.finditer(body.partition("\n    def ")[0])
    }
