"""Learning: settings, replay, losses, learner, checkpoints, evaluation, and the run that ties them."""
