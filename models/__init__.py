"""Search spaces, data sets, networks with shared weights and their accuracy, and the export of trained networks.

`models.spaces` imports no torch; `models.data` imports it only for the features of spoken words.
"""
