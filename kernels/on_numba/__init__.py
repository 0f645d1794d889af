"""The twins as loops over packed words for the CPU: only legal entries are read."""
