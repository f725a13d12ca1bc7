"""Model providers: a `ModelRequest` in, a `ModelAnswer` out."""
