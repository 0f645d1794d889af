"""Chess for other reinforcement learning: a Gymnasium vector environment (`vector`), a PettingZoo environment (`zoo`).
Both need the extra `rl`; nothing else imports them. See docs/environment.md."""
