"""Config files: sections, reading and writing, and the objects that their names stand for."""
