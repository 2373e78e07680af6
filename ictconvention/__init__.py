"""Train, compare and apply classifiers of astronomical image time series.

The rooms, from the ground up; imports point down only:

    core            errors in words, files that appear whole, processes side by side
    survey          the store at rest: format, reader, writer, bands, neighbours, splits
    measuring       what is measured from a survey's pixels: photometry, scales, the audit
    configuration   the options of a run, with their ranges, composed by Hydra
    files           what files of other people hold: images, tables, Avro
    simulation      simulated surveys (sdss), and real light curves painted into stamps (painted)
    ingestion       from what readers find to a survey (headers, readers)
    feeding         from a survey to batches of views
    evaluation      predictions in, numbers out
    networks        from frames to logits (parts)
    learning        losses, target networks, training steps
    drawing         every figure, once
    runs            the folder of a run: what it holds, and how a finished one is read and trusted
    training        one run: pre-train, fine-tune, test
    sweeping        many runs from one command
    applying        a finished run at work: predictions, early ones, exports
    reporting       a sweep compared: table, sentences, page
    cli             the command line
"""

import logging

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent as a library, see `core.console`
