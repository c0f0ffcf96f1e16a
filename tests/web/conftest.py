"""The application without a network, and a browser on the real page of a real server."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 20_000  # ms, for a machine that does much else


@contextmanager
def watching(*words: str, folder: Path | None = None) -> Iterator[str]:
    """`deltarule watch` with these words, as a process of its own: its address."""
    command = [sys.executable, "-c", "from deltarule.cli import main; main()", "watch", *words]
    with subprocess.Popen(
        [*command, "--no-open"],
        cwd=folder,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield line.rpartition(" ")[2].strip()
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=20)
            assert errors == "", errors


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with watching() as found:
        assert found.startswith("http://127.0.0.1:")
        yield found


@pytest.fixture(scope="module")
def chromium(playwright: Playwright, chromium_program: str) -> Iterator[BrowserContext]:
    with tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium_program,
            args=FLAGS,
            headless=True,
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE)
        yield context
        context.close()


@dataclass
class Watched:
    """A page in a browser, with all that it logged and asked for."""

    page: Page
    address: str
    said: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def open(self, lesson: str = "", *, address: str | None = None) -> Page:
        """The page at a lesson, drawn."""
        self.page.goto("about:blank")
        self.page.goto(f"{address or self.address}#{lesson}")
        self.page.wait_for_selector("body[data-step]")
        return self.page

    def follow(self, place: str) -> Page:
        """Follows a link to a lesson in the page as it is: a session of its own, no reload."""
        self.page.evaluate(
            """hash => {
              delete document.body.dataset.step;
              document.activeElement.blur();
              for (const list of document.querySelectorAll('details[open]')) list.open = false;
              history.replaceState(null, '', location.pathname + location.search + '#');
              location.hash = hash;
            }""",
            place,
        )
        self.page.wait_for_selector("body[data-step]")
        self.idle()
        return self.page

    def idle(self) -> None:
        """Waits until nothing is asked of the server any more."""
        self.page.wait_for_timeout(30)
        self.until("document.body.dataset.asking === 'false'")

    def at(self, step: int) -> None:
        """Waits until this step is drawn."""
        self.page.wait_for_selector(f"body[data-step='{step}']")

    def until(self, expression: str) -> None:
        """Waits until this is true on the page, whose policy lets nothing there evaluate texts."""
        until = time.monotonic() + PATIENCE / 1000
        while not self.page.evaluate(expression):
            assert time.monotonic() < until, f"this never came true: {expression}"
            time.sleep(0.03)

    def go(self, step: int) -> None:
        """Goes to a step by its number."""
        self.page.fill("#number", str(step))
        self.page.press("#number", "Enter")
        self.at(step)

    @property
    def step(self) -> int:
        return int(self.page.get_attribute("body", "data-step") or -1)

    def weights(self) -> list[float]:
        """The weights that the table shows, to the last bit."""
        cells = self.page.locator("#weights td.value")
        return [float(cell.get_attribute("title") or "nan") for cell in cells.all()]

    def check(self) -> None:
        """Nothing was logged, and no other host was asked."""
        assert self.said == []
        assert {host.partition(":")[0] for host in self.hosts if host} == {"127.0.0.1"}

    def trouble(self) -> str:
        """What the page says went wrong."""
        self.page.wait_for_selector("#trouble:not([hidden])")
        return self.page.text_content("#trouble span") or ""


def listened(found: Watched) -> Callable[[], None]:
    """Has a page keep what it logs and whom it asks, until what this returns is called."""
    page = found.page
    heard: dict[Any, Callable[[Any], None]] = {
        "console": lambda message: found.said.append(f"{message.type}: {message.text}"),
        "pageerror": lambda error: found.said.append(f"error: {error}"),
        "request": lambda request: found.hosts.add(urlsplit(request.url).netloc),
    }
    for kind, hear in heard.items():
        page.on(kind, hear)

    def stop() -> None:
        for kind, hear in heard.items():
            page.remove_listener(kind, hear)

    return stop


class Reused(Watched):
    """A page that the tests of a module share: a lesson is opened by its link, without a reload."""

    def open(self, lesson: str = "", *, address: str | None = None) -> Page:
        if address is None and self.page.url.startswith(self.address):
            return self.follow(lesson)
        return super().open(lesson, address=address)


@pytest.fixture
def watched(chromium: BrowserContext, address: str) -> Iterator[Watched]:
    """A fresh page. Whatever a test does, nothing is logged and no other host is asked."""
    page = chromium.new_page()
    page.set_viewport_size({"width": 1400, "height": 1000})
    found = Watched(page, address)
    listened(found)
    yield found
    page.close()
    found.check()
