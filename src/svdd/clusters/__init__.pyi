from .runs import decode_on_ray as decode_on_ray
