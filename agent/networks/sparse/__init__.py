"""The sparse network: piece-square features summed into a small network, for CPUs."""
