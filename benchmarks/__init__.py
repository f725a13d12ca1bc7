"""What the claims about speed and size are measured with: `python -m benchmarks`."""
