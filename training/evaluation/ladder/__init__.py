"""The ladder: a run's snapshots and known opponents on one Elo scale."""
