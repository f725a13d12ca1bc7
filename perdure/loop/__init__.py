"""The run loop, pure: `plan` decides, `absorb` records; whoever decides may not await."""
