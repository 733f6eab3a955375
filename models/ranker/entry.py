"""One kind of ranker as an entry: its name, and the functions that train it and open it. Loads no TensorFlow."""

from collections.abc import Callable
from dataclasses import dataclass

from models.ranker.contract import CheckpointStore, ExampleStream, FeatureSpec, Ranker

OnEpoch = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class RankerOptions:
    """Hyper-parameters; a model uses those that it has a use for.

    main_head: the reward whose ranking is evaluated, and the one that the popularity baseline predicts.
    base: the dense feature that is a probability of main_head already; the ranker learns a correction of it.
    popularity: the dense feature that the popularity baseline ranks by.
    hidden: units of each layer of the MLP.
    learning_rate: of Adagrad.
    num_epochs: at most; the best by the loss on validation examples is kept.
    id_dropout: share of examples whose track (and artist, and impression) is hidden in training.
    min_propensity: impressions weigh 1 / max(propensity, min_propensity); 1: all weigh the same.
    """

    main_head: str
    base: str
    popularity: str
    embedding_size: int
    cross_layers: int
    hidden: tuple[int, ...]
    learning_rate: float
    batch_size: int
    num_epochs: int
    id_dropout: float
    min_propensity: float
    seed: int


@dataclass(frozen=True)
class TrainingData:
    """Everything that a ranker is trained from, apart from its hyper-parameters.

    training: examples that the weights are learned from.
    validation: later examples, for early stopping and calibration.
    spec: shape of the examples.
    on_epoch: called after each epoch with epoch, examples, loss, validation_loss and is_best (so far).
    checkpoints: where an attempt at the same training continues; it must end in the same bits.
    """

    training: ExampleStream
    validation: ExampleStream
    spec: FeatureSpec
    on_epoch: OnEpoch
    checkpoints: CheckpointStore


@dataclass(frozen=True)
class RankerModel:
    """An entry of RANKERS: one model behind the contract.

    name: the value of --ranker_model, written into every artifact of the model.
    train: fit and calibrate the model (NothingToLearnError: the examples cannot train it).
    load: open the folder that Ranker.save() wrote, given the spec that was read from it.
    """

    name: str
    sentence: str
    train: Callable[[TrainingData, RankerOptions], Ranker]
    load: Callable[[str, FeatureSpec], Ranker]
