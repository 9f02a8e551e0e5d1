"""What a run pays: the ledger, batches of rows, equal states computed once, the budget's guard."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
