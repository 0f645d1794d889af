"""A game between people, the agent and other engines, whatever it is shown on; and how it is kept and replayed."""
