"""What survives a kill at any moment: checkpoints, games on disk, the process that restarts a trainer."""
