"""Matrices of the benchmarks."""

from rich.console import Console

from benchmarks.tables import matrix, ratio


def test_a_matrix_keeps_the_order_and_leaves_missing_cells_empty() -> None:
    console = Console(width=80, no_color=True)
    rows = {"B=8 [float32]": {"ours": "10 us", "eager": ratio(2.345)}, "B=9": {"Liger": ratio(1.0)}}
    with console.capture() as captured:
        console.print(matrix("softmax", rows, corner="case"))
    lines = [line.split() for line in captured.get().splitlines()]
    assert ["case", "ours", "eager", "Liger"] in lines
    assert ["B=8", "[float32]", "10", "us", "2.35x"] in lines
    assert ["B=9", "1x"] in lines
