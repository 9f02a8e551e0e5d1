from .intervals import interval as interval
from .intervals import mean as mean
from .intervals import quantile as quantile
from .moments import Moments as Moments
from .moments import frechet as frechet
