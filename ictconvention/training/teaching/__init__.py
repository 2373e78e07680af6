"""What teachers say of the objects that train."""
