"""All processes of a run have the same code, or a sentence says which has not."""

from pathlib import Path

import pytest
import ray

from agent.errors import InputError
from selfplay.actor import GameActor
from selfplay.identity import PACKAGES, ROOT, check_identity, code_hash, identity
from tests.selfplay.test_pool import SETTINGS, weights


def test_any_change_of_any_source_changes_the_hash(tmp_path: Path) -> None:
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "module.py").write_text("x = 1\n")
    seen = {code_hash(tmp_path)}
    for change in (
        lambda: (tmp_path / "agent" / "module.py").write_text("x = 2\n"),
        lambda: (tmp_path / "training" / "more.py").write_text(""),
        lambda: (tmp_path / "kernels" / "module.py").rename(tmp_path / "kernels" / "other.py"),
        lambda: (tmp_path / "selfplay" / "module.py").unlink(),
    ):
        change()
        seen.add(code_hash(tmp_path))
    assert len(seen) == 5
    before = code_hash(tmp_path)
    (tmp_path / "agent" / "__pycache__").mkdir()
    (tmp_path / "agent" / "__pycache__" / "module.pyc").write_bytes(b"compiled")
    assert code_hash(tmp_path) == before


def test_this_process_is_itself_and_no_other() -> None:
    assert identity() == code_hash(ROOT)
    check_identity(identity(), "this process")
    with pytest.raises(InputError, match=rf"the actor runs other code \({identity()[:12]}\) than the run \(0000\)"):
        check_identity("0000", "the actor")


def test_a_game_actor_with_other_code_refuses_to_play(local_ray: None) -> None:
    with pytest.raises(InputError, match=r"^the game actor on .* runs other code"):
        GameActor(SETTINGS, 0, None, "0000").play([], 0)
    assert GameActor(SETTINGS, 0, None, identity()).play([ray.put(weights())], 0).version == 0
