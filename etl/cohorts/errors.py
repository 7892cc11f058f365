"""What stops work on a cohort."""


class CohortError(Exception):
    """A cohort that cannot be read, run or shown; the message says where, why and what next, and no value."""
