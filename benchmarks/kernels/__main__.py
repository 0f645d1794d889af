"""`python -m benchmarks.kernels`: the benchmark on chosen shapes."""

import argparse
import json
import sys

from rich.console import Console

from benchmarks.kernels import DTYPES, run, show


def main() -> None:
    parser = argparse.ArgumentParser(description="the masked ops against what one would write without them")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rows", type=int, nargs="+", default=(), help="batch sizes")
    parser.add_argument("--sizes", type=int, nargs="+", default=(), help="columns")
    parser.add_argument("--shares", type=float, nargs="+", default=(), help="shares of legal entries")
    parser.add_argument("--dtypes", nargs="+", choices=list(DTYPES), default=())
    options = vars(parser.parse_args())
    as_json = options.pop("json")
    figures = run(**options, progress=lambda line: print(line, file=sys.stderr, flush=True))
    if as_json:
        print(json.dumps(figures))
        return
    console = Console()
    for part in show(figures):
        console.print(part)


if __name__ == "__main__":
    main()
