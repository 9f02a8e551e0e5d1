"""Pictures of molecules and poses."""
