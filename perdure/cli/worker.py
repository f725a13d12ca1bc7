"""`perdure worker MODULE`: serves every agent of a module by name."""
