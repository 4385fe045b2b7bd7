"""The ways to a controller; `spec` opens the one that the user named."""
