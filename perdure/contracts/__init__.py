"""What crosses a process border: client and workflow, workflow and activity."""
