"""Workflows: deterministic, run again at replay; they import the standard library, temporalio and perdure."""
