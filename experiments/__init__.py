"""Commands and runs: configs, stages, run folders, tables, figures and the command line."""
