"""How many runs of a study go side by side; imports nothing heavy before it is asked."""


def jobs_at_once(profile: str, devices: int) -> int:
    """Return how many runs go side by side: as many as have GPUs; without GPUs one a processor, for narrow networks."""
    import torch

    from ictconvention.runs.machine import processors

    if torch.cuda.is_available():
        return max(1, torch.cuda.device_count() // devices)
    return 1 if profile == "paper" else processors()
