"""Mappings, one folder each: rules, value maps, JSON Schemas and samples. Data only, no code."""
