"""Where the numbers of a run are also shown: a page of a tracker, beside the files of the run."""
