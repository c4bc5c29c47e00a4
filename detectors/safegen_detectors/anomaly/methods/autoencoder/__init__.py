"""The method `autoencoder`: anomalies are what an autoencoder of real scans cannot reconstruct.

It imports `reference` and the shared modules of `methods`; no other method may import it.
"""
