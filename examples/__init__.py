"""Programs that run as they stand; each is a test."""
