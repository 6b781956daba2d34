"""Products drawn for the bench, of kinds that the real sets lack."""
