"""The lake by section: the newest documents of a mapping as tables, as its JSON Schema describes them.

``shape`` says which tables these are, ``write`` has their SQL, and ``refresh`` keeps them up with the lake.
"""
