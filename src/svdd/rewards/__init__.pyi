import collections.abc
import typing

from .commands import Command as Command
from .commands import command as command
from .desirability import at_least as at_least
from .desirability import at_most as at_most
from .desirability import interval as interval
from .desirability import must as must
from .desirability import ramp as ramp
from .desirability import sigmoid as sigmoid
from .endpoints import Endpoint as Endpoint
from .endpoints import endpoint as endpoint
from .objectives import Objective as Objective
from .objectives import geometric_mean as geometric_mean
from .objectives import objective as objective
from .objectives import pessimistic as pessimistic
from .objectives import product as product
from .objectives import thresholds as thresholds
from .objectives import weighted_sum as weighted_sum
from .worker_pool import Workers as Workers
from .worker_pool import workers as workers

docking: collections.abc.Callable[..., typing.Any]
