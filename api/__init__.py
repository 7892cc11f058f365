"""The outside face: the command line, and the HTTP application."""
