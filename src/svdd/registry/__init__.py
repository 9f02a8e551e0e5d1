"""Names and where they are: models, rewards and what else domains bring, built in or from other packages.

Nothing heavy is imported before it is used: processes that only hold a reward stay as small as the reward.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
