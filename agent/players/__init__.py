"""Players: whatever chooses a move in every game of a batch."""
