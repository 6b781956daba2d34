"""Default handlers, one module per runtime; a model's own handlers take their place one by one."""
