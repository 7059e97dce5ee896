"""The randomization test of Zhang et al. 2017: can a network fit labels and images that mean nothing?"""
