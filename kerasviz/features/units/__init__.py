"""Single units: the images that please them most, and what in them they answer to."""
