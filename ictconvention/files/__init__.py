"""What files of other people hold: images, tables and Avro, read safely. Knows no telescope."""
