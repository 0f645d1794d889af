"""Watching a run: what is logged and what it means, pictures, text, health, `zeromass status` and `report`."""
