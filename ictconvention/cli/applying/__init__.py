"""Commands that apply a trained run."""
