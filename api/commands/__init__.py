"""The commands of ``oncolake``, by what they work on."""
