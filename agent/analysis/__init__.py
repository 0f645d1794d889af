"""What the agent thinks of a game or a position: a table, an annotated PGN, a picture."""
