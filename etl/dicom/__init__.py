"""DICOM headers: what is kept of them, whether they are de-identified, and the series they belong to.

Headers are read, never pixels. Files become series documents (``etl.dicom.scan``), which land and load as
cases of the mapping ``dicom``. What is kept, and what the check goes by, is data: ``mappings/dicom``.
"""
