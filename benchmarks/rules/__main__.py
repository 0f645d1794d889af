"""`python -m benchmarks.rules` is `zeromass benchmark rules`."""

import sys

import zeromass

sys.exit(zeromass.main(["benchmark", "rules", *sys.argv[1:]]))
