"""Batched Gumbel search: fixed numbers of simulations, for self-play, levels and networks evaluated in batches."""
