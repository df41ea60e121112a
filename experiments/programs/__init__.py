"""Export of designs as C programs, and verification of these programs on this computer."""
