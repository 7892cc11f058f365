"""Judges: what others publish to check data by, run on ours. None of it is part of this repository."""
