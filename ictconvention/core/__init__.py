"""What every room stands on: errors in words, files that appear whole, processes side by side. Knows no survey."""
