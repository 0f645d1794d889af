"""The Triton kernels. Nothing here is imported until a Triton path is first taken."""
