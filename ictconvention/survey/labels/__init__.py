"""Which labels of a survey count, how many of them each fold and stage needs, and what to do where they are too few."""
