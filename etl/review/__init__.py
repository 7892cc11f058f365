"""A mapping's concepts against the vocabulary, concept by concept, and the edits that follow from it."""
