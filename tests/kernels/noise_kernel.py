# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
"""The sampler's noise function alone, as a kernel. Imported by a test, once Triton knows whether to interpret."""

import triton
import triton.language as tl

from kernels.on_triton.terms import bits_to_gumbel


@triton.jit
def noise_kernel(bits, out, SIZE: tl.constexpr):
    place = tl.arange(0, SIZE)
    tl.store(out + place, bits_to_gumbel(tl.load(bits + place)))
