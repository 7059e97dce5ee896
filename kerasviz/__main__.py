"""`python -m kerasviz`: the command line."""

from kerasviz.cli import main

main()
