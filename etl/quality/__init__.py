"""Data quality: checks made from the CDM's metadata, the mapping and its JSON Schema, counted in SQL."""
