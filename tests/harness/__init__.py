"""What the node and fault tiers, the benchmark and `./dev up` share: a private node out of a network namespace, a
containerd of its own and a keelson agent. Standard library only. Start reading at node.py."""
