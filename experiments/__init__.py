"""Everything a person runs: configs, stages, run folders, tables, figures and the command line."""
