"""`python -m benchmarks.selfplay` is `zeromass benchmark selfplay`."""

import sys

import zeromass

sys.exit(zeromass.main(["benchmark", "selfplay", *sys.argv[1:]]))
