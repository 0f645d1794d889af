"""Ratios against the alternatives, each measured in one run on the same machine.

A benchmark is a module with two functions. `run(**options)` measures and returns `Found`; its options are among

    rounds        times that the contenders are measured in turn
    seconds       of one measurement
    overrides     settings beside those of the configs, as `key=value`; InputError if one is refused
    peers_python  interpreter that has the peers; those it lacks are left out
    progress      gets lines of text

Results are medians of the rounds, ratios are medians of the rounds' ratios. `show(found)` is what `zeromass benchmark`
prints: Rich's tables, or lines with Rich's markup."""
