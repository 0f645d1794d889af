"""Networks behind one contract: packed positions in, policy over legal moves and win/draw/loss out."""
