"""Tuning by SPSA: it finds the best constants of a game whose best constants are known, and its file can be trusted."""

from pathlib import Path

import numpy as np
import pytest

from agent.errors import InputError
from agent.search.pvs.margins import DEFAULTS, WHOLE
from training.evaluation.tune import Spsa, Tuning, shifted, whole
from zeromass import main


def test_it_goes_where_the_wins_are() -> None:
    """A win is the likelier the nearer one's constants are to 1.3 times the defaults (0.7 times for every other)."""
    best = {name: value * (1.3 if place % 2 else 0.7) for place, (name, value) in enumerate(DEFAULTS.items())}
    generator = np.random.default_rng(1)

    def distance(constants: dict[str, float]) -> float:
        return float(np.mean([(constants[name] / best[name] - 1) ** 2 for name in best]))

    spsa = Spsa(tuning := Tuning(nodes=1, games=20_000), seed=0)
    for _ in range(tuning.games // 2):
        number, shift = spsa.propose()
        ours, theirs = (distance(shifted(tuning.constants, shift, sign)) for sign in (1.0, -1.0))
        chance = 1 / (1 + np.exp(20 * (ours - theirs)))
        spsa.learn(number, shift, int(generator.choice([-1, 1], 2, p=[1 - chance, chance]).sum()))
    assert distance(tuning.constants) < distance(dict(DEFAULTS)) / 4
    assert len(tuning.history) == 100


def test_a_constant_keeps_its_sign_whatever_wins() -> None:
    far = {name: 100.0 * value for name, value in DEFAULTS.items()}
    for factor in (-1.0, 1.0):
        moved = shifted(dict(DEFAULTS), far, factor)
        assert all(np.sign(moved[name]) == np.sign(value) and abs(moved[name]) > 0 for name, value in DEFAULTS.items())


def test_constants_that_act_as_integers_differ_by_one_and_are_right_on_average() -> None:
    chances = np.linspace(0.0005, 0.9995, 1000)
    _, shift = Spsa(Tuning(nodes=1, games=2000), seed=0).propose()
    for name in WHOLE:
        up, down = ([whole(shifted(DEFAULTS, shift, sign), one)[name] for one in chances] for sign in (1.0, -1.0))
        assert np.abs(np.subtract(up, down)).min() >= 1
        assert np.mean(up) == pytest.approx(DEFAULTS[name] + shift[name], abs=0.01)


def test_a_tuning_is_continued_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.json"
    size = ["--nodes", "100", "--games", "8", "--check", "2"]
    path.write_text(Tuning(nodes=100, games=8, played=4).model_dump_json())
    assert main(["tune", str(path), *size]) == 0
    assert "in 2 games" in capsys.readouterr().out
    found = Tuning.read(path)
    assert (found.played, len(found.history)) == (8, 2)  # two steps were missing
    assert (tmp_path / "t.svg").read_text().startswith("<svg")
    assert main(["tune", str(path), *size[:-2], "--check", "0"]) == 0
    assert Tuning.read(path) == found
    assert main(["tune", str(path), "--nodes", "200", "--games", "8"]) == 2
    assert "--nodes 100 --games 8" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "{", '{"nodes": 1}', '{"nodes": 100, "games": 8, "constants": {"a": 1}}', '{"nodes": 0, "games": 8}']
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"t\.json"):
        Tuning.read(path)
    assert path.read_text() == text
