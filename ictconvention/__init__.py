"""Train, compare and apply classifiers of astronomical image time series.

Five rooms: `data` (surveys at rest and in motion), `models` (networks), `learners` (how they train),
`evaluation` (predictions to numbers and pictures) and `experiment` (one run from config to result).
"""

__version__ = "0.1.0"
