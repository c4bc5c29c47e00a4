"""How the tables of the history came to be; run by Alembic when a store is opened."""
