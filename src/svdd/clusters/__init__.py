"""Many machines: the chains and the rewards of a run on a Ray cluster."""

from svdd.clusters.runs import decode_on_ray as decode_on_ray
