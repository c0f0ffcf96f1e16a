"""A driver of Firefox: its own Marionette protocol over a socket, in a profile of its own.

Each message is its length, a colon and JSON: [0, id, command, parameters], answered by
[1, id, error, result].
"""

import base64
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PREFERENCES = {
    "marionette.port": 0,  # a free one, which it writes into its profile
    "remote.prefs.recommended": True,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "browser.shell.checkDefaultBrowser": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "app.normandy.enabled": False,
    "extensions.update.enabled": False,
    "browser.safebrowsing.provider.google4.updateURL": "",
}
CONTROL = "\ue009"
SCHEME = "layout.css.prefers-color-scheme.content-override"  # 0 is dark, 1 light
PATIENCE = 60.0  # s, for a machine that does much else


class Firefox:
    """A window of Firefox."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire, self.rest, self.number = wire, b"", 0
        self._read()  # it introduces itself
        self.ask("WebDriver:NewSession", {})

    def ask(self, command: str, parameters: dict[str, Any]) -> Any:
        """What it answers to a command."""
        self.number += 1
        body = json.dumps([0, self.number, command, parameters]).encode()
        self.wire.sendall(str(len(body)).encode() + b":" + body)
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def _read(self) -> Any:
        while b":" not in self.rest:
            self._more()
        size, _, self.rest = self.rest.partition(b":")
        while len(self.rest) < int(size):
            self._more()
        body, self.rest = self.rest[: int(size)], self.rest[int(size) :]
        return json.loads(body)

    def _more(self) -> None:
        part = self.wire.recv(1 << 16)
        assert part, "Firefox ended"
        self.rest += part

    def open(self, address: str) -> None:
        self.ask("WebDriver:Navigate", {"url": address})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a function's body returns on the page."""
        asked = {"script": script, "args": arguments, "sandbox": "default"}
        return self.ask("WebDriver:ExecuteScript", asked)["value"]

    def until(self, expression: str) -> None:
        """Waits until this is true on the page."""
        until = time.monotonic() + PATIENCE
        while not self.run(f"return Boolean({expression})"):
            assert time.monotonic() < until, f"this never came true: {expression}"
            time.sleep(0.05)

    def key(self, *keys: str) -> None:
        """Presses keys, one after the other; Control is held for those after it."""
        actions, held = [], []
        for key in keys:
            actions.append({"type": "keyDown", "value": key})
            if key == CONTROL:
                held.append(key)
            else:
                actions.append({"type": "keyUp", "value": key})
        actions += [{"type": "keyUp", "value": key} for key in held]
        sequence = {"type": "key", "id": "keys", "actions": actions}
        self.ask("WebDriver:PerformActions", {"actions": [sequence]})

    def resize(self, width: int, height: int) -> None:
        """The window, so that the page in it has this size, a phone's too."""
        self.chrome("document.documentElement.style.setProperty('min-width', '0', 'important')")
        outer = [width, height]
        for _ in range(4):
            self.ask("WebDriver:SetWindowRect", {"width": outer[0], "height": outer[1]})
            inner = self.run("return [innerWidth, innerHeight]")
            if inner == [width, height]:
                return
            outer = [outer[0] + width - inner[0], outer[1] + height - inner[1]]
        raise AssertionError(f"a page of {width} x {height} is {inner} here")

    def scheme(self, dark: bool) -> None:
        """Light or dark, from now on."""
        self.chrome(f"Services.prefs.setIntPref('{SCHEME}', arguments[0])", 0 if dark else 1)
        self.until(f"matchMedia('(prefers-color-scheme: dark)').matches === {json.dumps(dark)}")

    def drag(self, x: float, y: float, up: float) -> None:
        """Presses at a point of the page, and lets go so many pixels above it."""
        moves = [{"type": "pointerMove", "x": int(x), "y": int(y - up * n / 4)} for n in range(5)]
        actions = [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:]]
        actions.append({"type": "pointerUp", "button": 0})
        sequence = {"type": "pointer", "id": "mouse", "actions": actions}
        self.ask("WebDriver:PerformActions", {"actions": [sequence]})

    def chrome(self, script: str, *arguments: Any) -> Any:
        """What a function's body returns in the browser itself."""
        self.ask("Marionette:SetContext", {"value": "chrome"})
        asked = {"script": script, "args": arguments}
        found = self.ask("WebDriver:ExecuteScript", asked)["value"]
        self.ask("Marionette:SetContext", {"value": "content"})
        return found

    def logged(self) -> list[str]:
        """The warnings and errors of pages that its console has."""
        found = self.chrome("""return Services.console.getMessageArray()
          .filter(one => one instanceof Ci.nsIScriptError && one.sourceName.startsWith('http'))
          .map(one => `${one.sourceName}: ${one.errorMessage}`)""")
        return [str(one) for one in found]

    def picture(self, path: Path) -> None:
        taken = self.ask("WebDriver:TakeScreenshot", {"full": False, "hash": False})["value"]
        path.write_bytes(base64.b64decode(taken))


@contextmanager
def firefox(program: str, **preferences: Any) -> Iterator[Firefox]:
    """Firefox without a window, in a fresh profile."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        lines = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});"
            for name, value in (PREFERENCES | preferences).items()
        ]
        (Path(folder) / "user.js").write_text("\n".join(lines))
        command = [program, "--headless", "--marionette", "--remote-allow-system-access"]
        with subprocess.Popen(
            [*command, "--no-remote", "--profile", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                with _connected(Path(folder) / "MarionetteActivePort", process) as wire:
                    yield Firefox(wire)
            finally:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()


def _connected(port: Path, process: subprocess.Popen[bytes]) -> socket.socket:
    until = time.monotonic() + PATIENCE
    while not (port.exists() and port.read_text().strip()):
        assert process.poll() is None, "Firefox ended"
        assert time.monotonic() < until, "Firefox does not answer"
        time.sleep(0.1)
    return socket.create_connection(("127.0.0.1", int(port.read_text())), timeout=PATIENCE)
