"""Programs of others, and our own built-in runtimes, run apart from the server: containers and sandboxes."""
