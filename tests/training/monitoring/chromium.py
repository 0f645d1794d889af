"""Headless Chromium, driven through its DevTools protocol over a pipe: no port, no dependency.

`find_chromium` installs Debian's package where it may. Messages are JSON, ended by a NUL byte; Chromium reads them from
its descriptor 3 and writes answers and events to 4 (chromium: --remote-debugging-pipe).
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --remote-debugging-pipe"
)
INSTALL = "apt-get update && apt-get install -y --no-install-recommends chromium"


def find_chromium() -> tuple[str | None, str]:
    """(the program, why there is none)."""
    if (found := _program()) is not None:
        return found, ""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return None, f"no chromium here, which root may install where there is apt-get: {INSTALL}"
    done = subprocess.run(f"timeout 600 sh -c '{INSTALL}'", shell=True, capture_output=True, text=True, check=False)
    return _program(), f"chromium could not be installed: {' '.join(done.stderr.split())[-300:]}"


def _program() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One tab of a Chromium of its own, `program` of `find_chromium`; with `dark` pages show their dark colours."""

    def __init__(self, program: str, width: int = 1400, height: int = 1000, *, dark: bool = False) -> None:
        self.complaints: list[str] = []  # errors in the console, exceptions of scripts, and failed requests
        self.requests: list[str] = []  # every address asked for
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        commands_out, self._commands = os.pipe()
        self._answers, answers_in = os.pipe()
        flags = [*FLAGS.split(), f"--user-data-dir={self._profile}", f"--window-size={width},{height}", "about:blank"]
        # A shell moves the two ends to where Chromium expects them.
        script = f'exec "$0" "$@" 3<&{commands_out} 4>&{answers_in}'
        silent: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
        command, ends = ["bash", "-c", script, program, *flags], (commands_out, answers_in)
        self._process = subprocess.Popen(command, pass_fds=ends, start_new_session=True, **silent)
        os.close(commands_out)
        os.close(answers_in)
        self._buffer, self._number = b"", 0
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, seconds: float = 120, **parameters: Any) -> dict[str, Any]:
        """Ask Chromium for something and wait for its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + seconds
        while True:
            answer = self._read(deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, address: str) -> None:
        """Go there; returns before the page has loaded."""
        self.call("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, script: str, seconds: float = 180) -> Any:
        """Until the expression is true; its value."""
        deadline = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, f"not within {seconds} s: {script}"
            time.sleep(0.5)
        return value

    def screenshot(self, path: Path) -> None:
        """What the window shows, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "chromium does not answer"
            part = os.read(self._answers, 1 << 20)
            assert part, "chromium has ended"
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "assert"):
            self.complaints.append(str([argument.get("value") for argument in parameters["args"]]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
