"""Looking at the loaded vocabulary: status, search, one concept, what a bundle would change."""
