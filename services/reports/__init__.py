"""Reports: the registry of issued reports, their files and signatures, and badges."""
