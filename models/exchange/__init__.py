"""Import and export of networks: ONNX files and torch modules.

Import: a reader (`read_onnx`, `read_torch`) makes an `operations.ForeignGraph`, and `convert` turns it into a
`NetworkShape`. Export: `deployable` lists the layers of a fine-tuned network, and `write_onnx` and `write_torch` write
them.
"""
