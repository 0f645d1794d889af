"""Ratios against the alternatives, each measured in one run on the same machine."""
