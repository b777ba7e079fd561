"""Few-shot methods beside the prototypical one, a file each, all with the contract of `Method`:
(support [E, way, shot, D], query [E, Q, D]) -> logits [E, Q, way], with no loop over episodes."""
