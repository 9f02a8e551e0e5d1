"""Pictures of proteins in three dimensions."""
