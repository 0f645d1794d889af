"""Players: each chooses a move in every game of a batch."""
