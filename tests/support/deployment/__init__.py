"""The deployment's own files as data: what each container runs, reads, mounts and is asked by its probes."""
