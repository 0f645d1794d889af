"""Cases of parametrised tests as text: `tests/data/tables/NAME.txt` has one a line, its columns parted by `|`."""

from pathlib import Path


def table(name: str) -> list[list[str]]:
    """The rows of a file, but for lines that begin with `# `: those are for its readers."""
    lines = (Path(__file__).parent / "data" / "tables" / f"{name}.txt").read_text("utf-8").splitlines()
    return [[cell.strip() for cell in line.split("|")] for line in lines if not line.startswith("# ")]
