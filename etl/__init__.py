"""From files to OMOP rows. Modules are stages: read, land, validate, transform, load; ingest runs them."""
