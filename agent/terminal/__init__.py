"""The agent in the terminal: a board for mouse and keyboard, and plain text."""
