"""Settings: what comes with the project is valid, and every mistake is one sentence that names it."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from agent.errors import InputError
from agent.networks.registry import KINDS, architecture_of
from agent.search import SearchSettings
from selfplay.identity import ROOT
from tests.tables import table
from training.monitoring.tags.tags import WATCHES
from training.settings import CONFIGS, Settings, known_keys, load_settings


@pytest.mark.parametrize("name", ["demo", "cpu", "strong", "gpu-demo", "gpu", "cluster"])
def test_our_configs_are_valid_by_name_and_by_path(name: str) -> None:
    settings = load_settings(name)
    assert settings == load_settings(CONFIGS / f"{name}.yaml")
    assert (settings.network.kind == "residual") == (settings.selfplay.gpus > 0)
    if settings.network.kind == "sparse":  # not measured on a GPU
        assert settings.learner.device == "cpu"


def test_strong_is_cpu_for_longer() -> None:
    longer = "run.minutes=2880 run.snapshot_minutes=60 log.steps=100 log.pictures_minutes=60"
    assert load_settings("strong") == load_settings("cpu", longer.split())


@pytest.mark.parametrize(("overrides", "sentence"), table("settings"))
def test_mistakes_are_named(overrides: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        load_settings("demo", overrides.split())
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'nowhere' does not exist; name a YAML file, or one of ours: .*demo"):
        load_settings("nowhere")
    path = tmp_path / "broken.yaml"
    broken = {"run: [": "broken.yaml' cannot be read as YAML", "nonsense:\n  x: 1\n": "unknown setting 'nonsense'"}
    for text, sentence in {**broken, "- 1\n- 2\n": "broken.yaml' is a list"}.items():
        path.write_text(text)
        with pytest.raises(InputError, match=sentence):
            load_settings(path)


def test_actors_search_as_the_settings_say() -> None:
    wanted = {"simulations": 7, "max_considered_actions": 5, "c_scale": 0.3, "gumbel_scale": 0.75}
    settings = load_settings("cpu", [f"selfplay.{name}={value}" for name, value in wanted.items()])
    assert settings.actor.selfplay.search == SearchSettings(**wanted)  # type: ignore[arg-type]


def test_there_are_at_most_seventy_settings_known_by_dotted_names_and_each_is_read() -> None:
    assert {"run.seed", "learner.batch_size", "selfplay.actors", "log.steps"} <= set(known_keys())
    for section, name in (key.split(".") for key in known_keys()):
        assert name in type(getattr(Settings(), section)).model_fields
    sources = [path for folder in ("agent", "selfplay", "training") for path in (ROOT / folder).rglob("*.py")]
    code = "\n".join(path.read_text() for path in sources)
    assert len(known_keys()) <= 70
    unread = {key for key in known_keys() if not re.search(rf"\w\.{key.split('.')[1]}\b", code)}
    # The sizes of networks are read by the names of their architectures' fields, the guard's by those of its watches.
    by_name = {f"network.{field.name}" for kind in KINDS for field in fields(architecture_of(kind))}
    assert unread <= by_name | {f"guard.{name}" for name in WATCHES}
