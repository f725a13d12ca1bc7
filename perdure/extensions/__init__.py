"""Ready-made pieces that an agent may use and the library itself does not need."""
