"""The numbers of Table 2 of ICT-ConvEntion, and what must be known before comparing with them."""

PUBLISHED_SCORES = {"accuracy", "macro F1"}  # what the numbers are, by their titles in the table
PUBLISHED = {  # accuracy and macro F1 [%], means over five folds of SDSS
    "ICT-ConvEntion": (82.18, 75.33),
    "ConvEntion": (79.83, 70.62),
    "CNN+GRU": (66.39, 63.22),
    "CNN+LSTM": (64.08, 60.65),
    "ConvEntion, g": (76.89, 63.20),
    "CNN+GRU, g": (63.67, 61.00),
    "CNN+LSTM, g": (63.00, 60.00),
}
CAUTION = (
    "The paper's numbers are of real SDSS images. Its baselines are the digits of a poster of 2022 with 1 988 SN Ia, "
    "where its ICT has 1 947: the published gains are probably not from one recipe and data set. On its test part of "
    "182/99/645/17 objects the constant answer has 68.40 % accuracy and 20.3 % macro F1, and one SN Other is 5.9 "
    "points of recall."
)
