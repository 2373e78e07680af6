"""Photometry without pixels, which lies beside the frames of a survey: forced fluxes, detections and limits."""
