"""Pages in headless Firefox, through Marionette, the protocol that Firefox speaks itself."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FIREFOX = shutil.which("firefox") or shutil.which("firefox-esr")
MISSING_FIREFOX = "needs Debian's firefox-esr"
START_SECONDS = 120
PREFERENCES = {
    "marionette.port": 0,  # any free port, which Firefox writes into its profile
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}


class Firefox:
    """A connection to Firefox. A message is its length, a colon, and JSON."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS)
        self._received = b""
        self._number = 0
        self._read()  # the greeting
        self._command("WebDriver:NewSession", capabilities={})

    def get(self, address: str) -> None:
        """Open a page."""
        self._command("WebDriver:Navigate", url=address)

    def execute(self, script: str, *arguments: object) -> Any:
        """Run a script in the page and return its result."""
        return self._command("WebDriver:ExecuteScript", script=script, args=list(arguments))["value"]

    def screenshot(self) -> bytes:
        """Return a picture of the whole page, as PNG."""
        return base64.b64decode(self._command("WebDriver:TakeScreenshot", full=True)["value"])

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _command(self, name: str, **parameters: object) -> Any:
        self._number += 1
        message = json.dumps([0, self._number, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, number, error, result = self._read()
        assert number == self._number
        if error is not None:
            raise RuntimeError(f"{error['error']}: {error['message']}")
        return result

    def _read(self) -> Any:
        while b":" not in self._received:
            self._receive()
        length, _, self._received = self._received.partition(b":")
        while len(self._received) < int(length):
            self._receive()
        message, self._received = self._received[: int(length)], self._received[int(length) :]
        return json.loads(message)

    def _receive(self) -> None:
        data = self._socket.recv(1 << 16)
        if not data:
            raise EOFError("Firefox has ended")
        self._received += data


@contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """Start Firefox with its own profile, an empty folder."""
    lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = [FIREFOX or "", "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    environment = {**os.environ, "HOME": str(profile)}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    try:
        port = profile / "MarionetteActivePort"
        deadline = time.monotonic() + START_SECONDS
        while not (port.exists() and port.read_text().strip()):
            assert process.poll() is None and time.monotonic() < deadline, "Firefox has not started"
            time.sleep(0.1)
        connection = Firefox(int(port.read_text()))
        yield connection
        connection.close()
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
