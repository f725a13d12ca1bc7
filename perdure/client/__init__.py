"""The client: how a program reaches its runs, and serves those that it started."""
