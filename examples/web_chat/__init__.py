"""A web chat in a thread; see README.md."""
