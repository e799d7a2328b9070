"""Algorithm 2 and all that surrounds it: optimizers, schedules, checkpoints, evaluation."""
