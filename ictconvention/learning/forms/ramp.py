"""The rise of the weight of the consistency: a target that knows nothing yet is not followed."""


def ramp_at(progress: float, ramp: float) -> float:
    """Return the share of its weight that the consistency has, min(progress / ramp, 1), from 0 to 1.

    Parameters
    ----------
    progress : float
        Share of the steps of the stage that are done.
    ramp : float
        Share of them in which it rises; 0 for none.
    """
    return 1.0 if not ramp else min(progress / ramp, 1.0)
