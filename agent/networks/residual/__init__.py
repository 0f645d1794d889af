"""The residual network: convolutions over input planes, for GPUs."""
