"""Networks from elsewhere and to elsewhere: ONNX files, torch modules, trained networks of our spaces.

In: a reader (`read_onnx`, `read_torch`) makes an `operations.ForeignGraph`, `convert` makes a `NetworkShape` of it.
Out: `deployable` takes a fine-tuned network apart, `write_onnx` and `write_torch` put it together again.
"""
