"""The filters of convolutions, drawn, measured and compared with Gabor functions."""
