"""Self-play: openings, game records, the generator of games, and the Ray actor around it."""
