"""Pages over a store, read-only: `harness dashboard`."""
