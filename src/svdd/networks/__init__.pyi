from .inference import inference_pass as inference_pass
from .sequences import SequenceClassifier as SequenceClassifier
from .sequences import SequenceDenoiser as SequenceDenoiser
from .training import TrainingSettings as TrainingSettings
from .training import isolated_randomness as isolated_randomness
from .training import train as train
from .weight_files import load_network as load_network
from .weight_files import save_network as save_network
