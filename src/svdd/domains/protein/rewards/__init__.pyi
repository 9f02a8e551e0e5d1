from .stability import EnsembleReward as EnsembleReward
from .stability import miniprotein_stability as miniprotein_stability
from .stability import miniprotein_stability_judge as miniprotein_stability_judge
