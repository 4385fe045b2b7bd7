"""The ground: what this machine is. Imports nothing of Ferry above it."""
