"""Slow, obvious implementations, written from the papers. They share no code with kerasviz, and import none of it."""
