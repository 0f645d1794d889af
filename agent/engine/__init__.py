"""Thinking under limits: clocks, nodes, pondering, several lines at once. What every face of the agent asks."""
