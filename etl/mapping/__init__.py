"""The mapping language: read it, check it, compile it to a Plan, show it."""
