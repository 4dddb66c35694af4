"""shaman: the registry of built package repositories."""
