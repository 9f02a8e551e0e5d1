from .fit import LowTemperatureWarning as LowTemperatureWarning
from .fit import fit_value as fit_value
from .value import FittedValue as FittedValue
from .value import load_value as load_value
