"""`python -m benchmarks.search` is `zeromass benchmark search`."""

import sys

import zeromass

sys.exit(zeromass.main(["benchmark", "search", *sys.argv[1:]]))
