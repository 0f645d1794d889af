"""Masked softmax and its family on packed legality: tensors only, no chess."""
