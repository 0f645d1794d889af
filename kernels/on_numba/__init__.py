"""The ops as compiled loops over packed words, for float32 on a CPU: only legal entries are read."""
