"""The agent as a UCI engine. Light: importing this package loads nothing."""
