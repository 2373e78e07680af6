"""Many runs from one command: on this machine or on Slurm, a fresh process each."""
