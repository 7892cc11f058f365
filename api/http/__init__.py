"""The HTTP face: writes that never lose a case, reads as JSON Feed."""
