"""How features change when images do."""
