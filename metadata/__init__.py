"""The register: what is known about recorders, dockings, clips, cases, locks and custody."""
