"""From files to OMOP rows. The modules are the stages: read, land, validate, transform, load; ingest runs them."""
