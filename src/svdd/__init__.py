"""svdd: decode a pretrained diffusion model towards any reward, without gradients and without training.

Names are imported when they are first used, so that `import svdd` and `svdd --help` cost nothing.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
