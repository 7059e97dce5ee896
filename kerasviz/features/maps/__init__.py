"""Feature maps and numbers about channels."""
