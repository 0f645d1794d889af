"""The ops in PyTorch operators: any device and any floating dtype, by the same contract as the Triton kernels."""
