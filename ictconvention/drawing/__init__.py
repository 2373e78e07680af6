"""Every figure, once: a run is drawn as a comparison of one."""
