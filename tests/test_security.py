"""What a setting, a name or a file can make us run: nothing."""

import ast
from pathlib import Path

import pytest

from training.settings import load_settings
from zeromass import main

ROOT = Path(__file__).resolve().parent.parent
OURS = sorted(path for name in ("agent", "kernels", "selfplay", "training") for path in (ROOT / name).rglob("*.py"))
MODULES = {"subprocess", "pty", "commands", "pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
"""That start programs, or make objects of bytes."""
CALLS = {"eval", "exec", "os.system", "os.popen", "os.startfile", "asyncio.create_subprocess_shell"}
CALLS |= {"torch.load", "yaml.load", "yaml.unsafe_load", "numpy.load", "np.load"}
NASTY = "$(touch {0})", "`touch {0}`", "; touch {0}", "| touch {0}", "a\ntouch {0}", "'; touch {0}; '"


def dangers(source: str) -> set[str]:
    """What of the above a module uses."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] in MODULES}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            found.add(str(node.module))
        elif isinstance(node, ast.ImportFrom):
            found |= {name for alias in node.names if (name := f"{node.module}.{alias.name}") in CALLS}
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in CALLS or name.startswith(("os.exec", "os.spawn", "os.posix_spawn")):
                found.add(name)
            if any(keyword.arg == "shell" for keyword in node.keywords):
                found.add(f"{name}(shell=)")
    return found


@pytest.mark.parametrize("path", [*OURS, ROOT / "zeromass.py"], ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_reaches_a_shell_and_no_bytes_become_objects(path: Path) -> None:
    assert dangers(path.read_text()) == set()


@pytest.mark.parametrize("nasty", NASTY)
def test_words_of_a_shell_are_only_words(
    nasty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    word = nasty.format(tmp_path / "victim")
    for arguments in (
        *(["train", "demo", f"run.name={word}"], ["train", "demo", f"evaluation.opponent={word}"]),
        *(["evaluate", "--opponent", f"engine:{command}"] for command in (word, f"/does/not/exist {word}")),
        ["evaluate", "--weights", word],
        *([verb, word] for verb in ("train", "monitor", "status", "replay", "analyse", "ladder")),
    ):
        assert main(arguments) == 2, arguments
        assert "Traceback" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_settings_stay_text_and_make_no_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the shell's way of asking for the environment nor OmegaConf's is followed."""
    for word in ("$HOME", "${oc.env:HOME}"):
        assert load_settings("demo", [f"run.folder={word}"]).run.folder == word
    config = tmp_path / "nasty.yaml"
    config.write_text(f'run:\n  name: !!python/object/apply:os.system ["touch {tmp_path}/victim"]\n')
    assert main(["train", str(config)]) == 2
    assert "cannot be read as YAML" in capsys.readouterr().err
    assert not (tmp_path / "victim").exists()
