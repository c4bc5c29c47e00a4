"""The offline HTML report: an index, a page a scan, pictures beside them, no network."""
