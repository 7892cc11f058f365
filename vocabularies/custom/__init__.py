"""Vocabularies of our own: added from CSV or Usagi, exported for others."""
