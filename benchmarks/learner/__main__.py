"""`python -m benchmarks.learner` is `zeromass benchmark learner`."""

import sys

import zeromass

sys.exit(zeromass.main(["benchmark", "learner", *sys.argv[1:]]))
