"""The twins of the Triton kernels in PyTorch operators: any device, any floating dtype, the same contract."""
