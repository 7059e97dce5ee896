"""Network dissection: which concepts the units of a layer have learned to see (Bau et al. 2017)."""
