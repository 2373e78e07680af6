"""The public functions and objects of `import ictconvention as ict`; the rooms below do the work."""
