"""The database catalog: relations in derived order, DDL, macros, checks."""
