"""The source distribution has every tracked file, and the wheel made of it everything it needs, outside the tree."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.test_api import EXAMPLES

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("agent", "configs", "kernels", "selfplay", "training", "zeromass")

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path, stdin: str = "") -> str:
    """What a command says that ends with exit code 0."""
    # HOME stays: the compile cache lies there. PYTHONPATH goes: it could lead back to the checkout.
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    options: dict[str, Any] = {"cwd": cwd, "input": stdin, "env": environment, "timeout": 600, "text": True}
    done = subprocess.run([*map(str, command)], capture_output=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `environment` that holds the wheel, and an empty folder `elsewhere` to work in."""
    folder = tmp_path_factory.mktemp("wheel")
    run("git", "checkout-index", "--all", f"--prefix={folder}/source/", cwd=ROOT)
    backend = "from setuptools import build_meta; print(build_meta.build_sdist('..'))"
    packed = folder / run(sys.executable, "-c", backend, cwd=folder / "source").splitlines()[-1]
    shutil.unpack_archive(packed, folder, filter="data")
    unpacked = folder / packed.name.removesuffix(".tar.gz")
    assert [name for name in run("git", "ls-files", cwd=ROOT).split() if not (unpacked / name).is_file()] == []
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, unpacked, cwd=folder)
    (wheel,) = folder.glob("zeromass-*.whl")
    shutil.rmtree(folder / "source")
    shutil.rmtree(unpacked)

    environment = folder / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    python = environment / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    # Dependencies come from the running environment; path files within that folder, the checkout's among them, do not.
    borrowed = {sysconfig.get_path("purelib"), *(path for path in sys.path if path.endswith("site-packages"))}
    (site / "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n")
    run(*pip, "--python", python, "install", "--ignore-installed", "--no-deps", "--no-index", wheel, cwd=folder)

    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    files = ", ".join(f"{package}.__file__" for package in PACKAGES)
    found = run(python, "-c", f"import {', '.join(PACKAGES)}\nprint({files})", cwd=elsewhere)
    assert found.count(str(site)) == len(PACKAGES), found
    return folder


def zeromass(installed: Path, *words: str, stdin: str = "") -> str:
    return run(installed / "environment" / "bin" / "zeromass", *words, cwd=installed / "elsewhere", stdin=stdin)


def test_trains_plays_and_speaks_uci(installed: Path) -> None:
    settings = ("run.name=first", "run.steps=4", "replay.warmup=512", "selfplay.actors=1", "selfplay.games=16")
    zeromass(installed, "train", "demo", *settings, "evaluation.games=2")
    summary = json.loads((installed / "elsewhere" / "runs" / "first" / "summary.json").read_text())
    assert (summary["steps"], summary["largest_invalid_mass"]) == (4, 0.0)
    assert "2. your move" in zeromass(installed, "play", "--plain", "--strength", "8", stdin="e4\nquit\n")
    spoken = zeromass(installed, "uci", stdin="uci\nisready\nposition startpos\ngo nodes 16\nquit\n")
    assert "bestmove" in spoken.partition("uciok")[2]


def test_every_example_of_the_guide_runs_from_the_wheel(installed: Path) -> None:
    for example in EXAMPLES:
        run(installed / "environment" / "bin" / "python", "-c", example, cwd=installed / "elsewhere")
    assert list((installed / "environment").rglob("agent/data/zeromass.md"))
    assert zeromass(installed, "--version") == f"zeromass {version('zeromass')}\n"
