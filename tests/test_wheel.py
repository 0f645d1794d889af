"""The wheel: installed outside the tree, with no file of the checkout in reach, it has everything it needs."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("agent", "configs", "kernels", "selfplay", "training", "zeromass")

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    # HOME stays: the compile cache lies there. PYTHONPATH goes: it could lead back to the checkout.
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        input=stdin,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `environment` that holds the wheel, and an empty folder `elsewhere` to work in."""
    folder = tmp_path_factory.mktemp("wheel")
    tracked = run("git", "ls-files", cwd=ROOT).stdout.split()
    for name in tracked:
        if name.startswith(PACKAGES) or name in ("pyproject.toml", "README.md", "LICENSE"):
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    built = run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, folder / "source", cwd=folder)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("zeromass-*.whl")
    shutil.rmtree(folder / "source")

    environment = folder / "environment"
    assert run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder).returncode == 0
    python = environment / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout.strip())
    # Dependencies come from the running environment; path files within that folder, the checkout's among them, do not.
    borrowed = {sysconfig.get_path("purelib"), *(path for path in sys.path if path.endswith("site-packages"))}
    (site / "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n")
    installed = run(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    assert installed.returncode == 0, installed.stderr

    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    files = ", ".join(f"{package}.__file__" for package in PACKAGES)
    found = run(python, "-c", f"import {', '.join(PACKAGES)}\nprint({files})", cwd=elsewhere)
    assert found.stdout.count(str(site)) == len(PACKAGES), found.stdout + found.stderr
    return folder


def zeromass(installed: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return run(installed / "environment" / "bin" / "zeromass", *words, cwd=installed / "elsewhere", stdin=stdin)


def test_trains_demo_and_reports_on_it(installed: Path) -> None:
    settings = ("run.name=first", "run.steps=4", "replay.warmup=512", "selfplay.actors=1", "selfplay.games=16")
    trained = zeromass(installed, "train", "demo", *settings, "evaluation.games=2")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    summary = json.loads((installed / "elsewhere" / "runs" / "first" / "summary.json").read_text())
    assert (summary["steps"], summary["largest_invalid_mass"]) == (4, 0.0)
    reported = zeromass(installed, "report", "first", "--out", "first.html")
    assert reported.returncode == 0, reported.stdout + reported.stderr
    assert "first.html" in reported.stdout


def test_plays_in_plain_text(installed: Path) -> None:
    played = zeromass(installed, "play", "--plain", "--strength", "8", stdin="e4\nquit\n")
    assert played.returncode == 0, played.stdout + played.stderr
    assert "2. your move" in played.stdout


def test_is_a_uci_engine(installed: Path) -> None:
    spoken = zeromass(installed, "uci", stdin="uci\nisready\nposition startpos\ngo nodes 16\nquit\n")
    assert spoken.returncode == 0, spoken.stdout + spoken.stderr
    assert "uciok" in spoken.stdout
    assert "bestmove" in spoken.stdout
