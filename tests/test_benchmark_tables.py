"""Tables of the benchmarks."""

from rich.console import Console

from benchmarks.measuring import Figures, table


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
