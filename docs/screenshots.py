"""The pictures in the docs, made anew by python docs/screenshots.py [NAME ...].

Each picture is of a real page in the system's Chromium. A new one is a function in PICTURES that
gets a browser and a folder to work in, and gives the page ready to be taken.
"""

import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import chdir
from functools import cache
from io import StringIO
from itertools import islice
from pathlib import Path
from queue import Queue

from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console

import deltarule as dr
from deltarule.fit.run import Run
from deltarule.fit.settings import Settings
from deltarule.trace.progress import Progress
from deltarule.trace.sentences import weight_names
from deltarule.views import html
from deltarule.views.report import report
from deltarule.web.app.serve import serve

DOCS = Path(__file__).parent
FILMS = Path(dr.__file__).parent / "data" / "movies.csv"
USING = ["budget", "genre", "running_time", "release_date"]


def written(browser: Browser, folder: Path, page: str, size: tuple[int, int], look: str) -> Page:
    """A page of our own, opened at this size in this look, light or dark."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    width, height = size
    opened = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if look == "dark" else "light",
    )
    opened.goto((folder / "page.html").as_uri())
    return opened


def scrolled(page: Page, tag: str, heading: str) -> Page:
    """The page with this heading on top."""
    page.locator(tag, has_text=heading).first.evaluate(
        "one => window.scrollTo(0, one.getBoundingClientRect().top + window.scrollY - 24)"
    )
    return page


def films(folder: Path) -> str:
    """The report on the films."""
    shutil.copy(FILMS, folder)
    with chdir(folder):  # so that the page does not say where this was
        return report(dr.learn("movies.csv", predict="gross", using=USING), "movies.csv")


def report_light(browser: Browser, folder: Path) -> Page:
    return written(browser, folder, films(folder), (1400, 1180), "light")


def report_effects(browser: Browser, folder: Path) -> Page:
    page = written(browser, folder, films(folder), (1400, 900), "dark")
    return scrolled(page, "h2", "What counts")


def report_phone(browser: Browser, folder: Path) -> Page:
    page = written(browser, folder, films(folder), (400, 860), "dark")
    return scrolled(page, "h3", "Error beside guessing")


def explain(browser: Browser, folder: Path) -> Page:
    shutil.copy(FILMS, folder)
    with chdir(folder):
        model = dr.learn("movies.csv", predict="gross", using=["budget", "genre", "running_time"])
        found = model.explain("movies.csv", row=2000)
    return written(browser, folder, html.page(found.heading, found.to_html()), (560, 600), "light")


def terminal(browser: Browser, folder: Path) -> Page:
    """The live view in the middle of a run."""
    using = ["budget", "running_time", "genre"]
    run = Run.of(str(FILMS), Settings(predict="gross", using=using, batch=8, epochs=20, seed=1))
    names = [*weight_names(run.read.schema.inputs), "intercept"]
    progress = Progress(names, error_name="mean squared error")
    for step in islice(run, 5000):
        progress.add(step)
    console = Console(record=True, width=72, file=StringIO())
    console.print(progress)
    drawn = console.export_svg(title="deltarule learn movies.csv --predict gross --batch 8")
    # The fonts it names are elsewhere; the system's own do.
    drawn = re.sub(r"@font-face {.*?}", "", drawn, flags=re.DOTALL)
    frame = f"<body style='margin:0;background:#fff'>{drawn}</body>"
    return written(browser, folder, frame, (900, 344), "light")


@cache
def watching() -> str:
    """The address of `deltarule watch`, which is served until the pictures are done."""
    told: Queue[str] = Queue()
    serving = {"tell": told.put, "show": False}
    threading.Thread(target=serve, args=(None,), kwargs=serving, daemon=True).start()
    return told.get(timeout=60)


def watched(
    browser: Browser, lesson: str, size: tuple[int, int], look: str, *acts: tuple[str, str]
) -> Page:
    """A lesson of the page, after numbers were put into fields."""
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if look == "dark" else "light",
    )
    page.goto(f"{watching()}#{lesson}")
    page.wait_for_selector("body[data-step]")
    for field, value in acts:
        page.fill(f"#{field}", value)
        page.press(f"#{field}", "Enter")
        page.wait_for_timeout(700)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(700)
    return page


def page_one_weight(browser: Browser, folder: Path) -> Page:
    return watched(browser, "one-weight", (1366, 768), "light", ("number", "3"))


def page_explodes(browser: Browser, folder: Path) -> Page:
    acts = ("alpha-number", "5.4e-11"), ("number", "12")
    return watched(browser, "too-far", (1366, 768), "dark", *acts)


def page_correlation(browser: Browser, folder: Path) -> Page:
    return watched(browser, "correlation", (1366, 768), "light", ("number", "400"))


def page_phone(browser: Browser, folder: Path) -> Page:
    page = watched(browser, "overfitting", (400, 860), "light", ("number", "200"))
    page.click(".hops a >> nth=1")
    page.wait_for_timeout(300)
    return page


def page_phone_dark(browser: Browser, folder: Path) -> Page:
    page = watched(browser, "classes", (400, 860), "dark", ("number", "5"))
    page.click(".hops a >> nth=1")
    page.wait_for_timeout(300)
    return page


PICTURES: dict[str, Callable[[Browser, Path], Page]] = {
    "report-light": report_light,
    "report-effects-dark": report_effects,
    "report-phone-dark": report_phone,
    "explain": explain,
    "terminal": terminal,
    "page-one-weight": page_one_weight,
    "page-explodes-dark": page_explodes,
    "page-correlation": page_correlation,
    "page-phone": page_phone,
    "page-phone-dark": page_phone_dark,
}


def main(names: list[str]) -> None:
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name in names or PICTURES:
            page = PICTURES[name](browser, Path(folder))
            page.screenshot(path=DOCS / f"{name}.png")
            page.close()
            print(f"{name}.png {(DOCS / f'{name}.png').stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
