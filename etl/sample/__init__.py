"""Synthetic prostate cases of all seven forms: realistic in shape, of nobody.

A latent severity of the disease is drawn first; age, PSA, stage, lesions, relapse and metastasis follow from
it, so the values of a case correlate as they do in a clinic. ``shape`` and ``later_shape`` have the numbers.
"""

from etl.sample.cases import sample, sample_case

__all__ = ["sample", "sample_case"]
