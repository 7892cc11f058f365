"""Vocabulary bundles as Athena hands them out: opened, checked, loaded."""
