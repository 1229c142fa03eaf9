"""Redis behind small nouns: the journal, the mirror, the bindings, the work list."""
