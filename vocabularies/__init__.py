"""Concepts: the files of custom and starter concepts, and the vocabulary tables of the database."""
