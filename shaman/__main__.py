"""`python -m shaman`."""

from shaman.cli import main

main()
