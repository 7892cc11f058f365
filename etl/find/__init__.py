"""Find: imaging studies and series by their attributes, for those who may see them.

``attributes`` says which DICOM attribute stands where, ``criteria`` what is looked for, ``images`` finds it.
"""
