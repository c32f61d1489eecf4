"""What every database of ours contains besides rows: relations in derived order, DDL, macros, checks."""
