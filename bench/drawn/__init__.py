"""Products drawn for the bench, of kinds that the real sets lack; nothing of the engine was drawn from them."""
