"""Conformance by difference: the same steps against a real Kubernetes control plane and against modelkit."""
