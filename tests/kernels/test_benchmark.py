"""The benchmark of the ops: its figures, and the matrices that it prints; tables of all benchmarks."""

from typing import Any

import pytest
import torch
from rich.console import Console

import benchmarks.kernels
from benchmarks.kernels.contenders import FAMILY, problem
from benchmarks.measuring import Figures, table


def test_figures_and_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    family = {op: [c for c in contenders if not c.compile] for op, contenders in FAMILY.items()}
    monkeypatch.setattr(benchmarks.kernels, "FAMILY", family)
    monkeypatch.setattr(benchmarks.kernels, "SECONDS", 0.0)
    said = list[str]()

    def small(rows: int, *rest: Any) -> Any:
        if rows > 4:
            raise torch.OutOfMemoryError
        return problem(rows, *rest)

    monkeypatch.setattr(benchmarks.kernels, "problem", small)
    figures = benchmarks.kernels.run(["rows=4,5", "sizes=40", "shares=0.1"], said.append)
    assert said[1:] == ["5 x 40, 10% ...", "5 x 40, 10% does not fit into the memory of the GPU: left out"]
    for row in figures["ratios"]:
        assert 0 < row["low"] <= row["value"] <= row["high"]
    assert {row["op"] for row in figures["ratios"]} == FAMILY.keys() - {"pack_legal"}  # which has no rival
    console = Console(width=100, no_color=True)
    with console.capture() as captured:
        for part in benchmarks.kernels.show(figures):
            console.print(part)
    lines = captured.get().splitlines()
    assert len(lines) < 100
    assert [line.strip() for line in lines if line.strip() in FAMILY] == list(FAMILY)
    assert "The eager forms take" in " ".join(" ".join(lines).split())


def test_bytes_requested() -> None:
    """Two groups of eight columns of 20 hold legal entries; words are one an eighth of a byte."""
    given = problem(3, 20, 1.0, torch.float16, torch.device("cpu"))
    given.legal[:, 8:] = False
    given.legal[:, 17] = True
    assert benchmarks.kernels.requested(given) == {"forward": 96 + 12 + 120, "with backward": 2 * 228 + 96}


def test_a_table_keeps_the_order_and_leaves_missing_cells_empty() -> None:
    figures = Figures()
    figures.add("B=8 [float32]", "ours", [10.0, 30.0, 20.0], "us")
    figures.add("B=8 [float32]", "share", [0.25], "")
    figures.ratio("B=9", "Liger", [2.0, 3.0, 4.0], [1.0, 1.0, 1.0])
    console = Console(width=80, no_color=True)
    with console.capture() as captured:
        console.print(table(figures.found, "softmax", "case"))
    lines = [line.split() for line in captured.get().splitlines()]
    for line in ("case ours share Liger", "B=8 [float32] 20 25 %", "B=9 3x"):
        assert line.split() in lines
