"""Videos and photographs to aligned faces, in the layouts that the adapters read."""
