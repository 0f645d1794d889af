"""Principal-variation search over a compiled network: for one game, under time control. See docs/search.md."""
