"""Sections `training` of a config: length, optimization and hardware."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seqtool.settings.keys import key


@dataclass(frozen=True)
class TrainingLoop:
    """Length and optimization of the training."""

    epochs: int | None = key(
        "passes over the training data; the run ends at the first limit reached of epochs, max_steps and max_minutes",
        None,
        ge=1,
    )
    max_steps: int | None = key("number of updates", None, ge=1)
    max_minutes: float | None = key("duration in minutes; it has no effect on the schedule", None, gt=0)
    batch_size: int = key("streams, lines, pairs or sentences per step", 32, ge=1)
    batch_words: int | None = key("tagger: words per step, instead of batch_size", None, ge=1)
    shuffle: bool = key(
        "use a new order of the sequences in every epoch; tokenizer: also of the sentences of a paragraph",
        True,
    )
    window: int = key("number of symbols of truncated back-propagation in running text", 100, ge=1)
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "adagrad"] = key("the update rule", "adamw")
    lr: float = key("learning rate; with a schedule, its maximum", 0.003, gt=0, le=1000)
    betas: tuple[float, float] = key("adam, adamw: decay rates of the two moving averages", (0.9, 0.999))
    momentum: float = key("sgd, rmsprop: momentum", 0.0, ge=0, lt=1)
    nesterov: bool = key("sgd: use Nesterov momentum", False)
    weight_decay: float = key("weight decay (decoupled for adamw)", 0.0, ge=0, le=1000)
    schedule: Literal["constant", "cosine", "step", "plateau"] = key(
        "schedule of the learning rate over the steps", "constant"
    )
    warmup_steps: int = key("steps of linear warm-up", 0, ge=0)
    decay_steps: int = key(
        "step: number of steps (plateau: number of evaluations without improvement) before the rate is multiplied by decay_factor",
        1000,
        ge=1,
    )
    decay_factor: float = key("step, plateau: factor of the learning rate", 0.5, gt=0, lt=1)
    final_lr: float = key("cosine: learning rate at the last step, as a fraction of lr", 0.0, ge=0, le=1)
    clip_norm: float | None = key(
        "maximum norm of the gradient of all weights; null: no clipping", None, gt=0
    )
    ema: float = key(
        "decay of the exponential moving average of the weights; the averaged weights are evaluated and kept; 0: no average",
        0.0,
        ge=0,
        lt=1,
    )
    label_smoothing: float = key(
        "fraction of the target probability distributed over all labels", 0.0, ge=0, lt=1
    )
    activation_penalty: float = key(
        "text models: factor of the mean square of the last layer's output, added to the loss (Merity et al. 2018: alpha)",
        0.0,
        ge=0,
    )
    slowness_penalty: float = key(
        "text models: factor of the mean square of the change of that output between steps (Merity et al. 2018: beta)",
        0.0,
        ge=0,
    )
    class_weights: Literal["none", "balanced"] | dict[str, float] = key(
        "tagger: weight of each label in the loss; balanced: proportional to the inverse square root of its frequency",
        "none",
    )
    label_weights: Literal["auto"] | dict[str, float] = key(
        "tagger with data.labels: weight of each label in the loss; auto, and labels that are not named: 1 for the first, 0.3 for the others",
        "auto",
    )
    accumulate: int = key("number of batches whose gradients are summed before an update", 1, ge=1)
    eval_every: int | None = key("steps between evaluations; by default one evaluation per epoch", None, ge=1)
    print_every: int = key(
        "epochs between printed rows of a run without validation (the last row is always printed)", 1, ge=1
    )
    eval_block: int | None = key(
        "block length of the second validation score, for which the text is cut into blocks that each start from the initial state; by default the window",
        None,
        ge=1,
    )
    patience: int | None = key("evaluations without improvement before the run ends early", None, ge=1)
    checkpoint_minutes: float = key("minutes between checkpoints", 10.0, gt=0)

    @property
    def max_seconds(self) -> float | None:
        """Duration in seconds after which the run ends; None: no limit."""
        return None if self.max_minutes is None else 60 * self.max_minutes

    def reached_limit(self, step: int, epoch: int, waited: int, seconds: float) -> str:
        """Name the limit that a run has reached; empty if there is none.

        Args:
            step: updates so far.
            epoch: finished epochs.
            waited: evaluations since the best one.
            seconds: time of the run so far.
        """
        if self.max_steps is not None and step >= self.max_steps:
            return "max_steps"
        if self.epochs is not None and epoch >= self.epochs:
            return "epochs"
        if self.patience is not None and waited >= self.patience:
            return "patience"
        return "max_minutes" if self.max_seconds is not None and seconds >= self.max_seconds else ""


@dataclass(frozen=True)
class Training(TrainingLoop):
    """Length, optimization and hardware of the training."""

    init_from: str = key("directory of a trained model whose weights and vocabulary initialize the run", "")
    seed_skip: int = key(
        "number of uniform random draws to skip after seeding, before the weights are drawn", 0, ge=0
    )
    threads: int | None = key(
        "CPU threads, which the parts of a run share; by default the number of cores, at most 4",
        None,
        ge=1,
        le=1024,
    )
    rank_timeout: float = key(
        "several ranks: seconds that a rank waits for another one", 1800.0, gt=0, le=1_000_000
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = key("device for training", "auto")
    precision: Literal["float32", "bfloat16"] = key("number type of the forward and backward pass", "float32")
    deterministic: bool = key(
        "use only deterministic algorithms, which give identical results on every run", False
    )


@dataclass(frozen=True)
class TokenizerTraining(TrainingLoop):
    """Length and optimization of a tokenizer that is trained together with a tagger, on the same hardware."""

    epochs: int | None = key(
        "passes over the text; the part ends at the first limit reached of epochs, max_steps and max_minutes",
        12,
        ge=1,
    )
    batch_size: int = key("windows per step; many small steps matter", 16, ge=1)
    lr: float = key("learning rate; with a schedule, its maximum", 0.005, gt=0, le=1000)
    betas: tuple[float, float] = key("adam, adamw: decay rates of the two moving averages", (0.9, 0.98))
    weight_decay: float = key("weight decay (decoupled for adamw)", 0.1, ge=0, le=1000)
    schedule: Literal["constant", "cosine", "step", "plateau"] = key(
        "schedule of the learning rate over the steps", "cosine"
    )
    warmup_steps: int = key("steps of linear warm-up", 100, ge=0)
    clip_norm: float | None = key("maximum norm of the gradient of all weights; null: no clipping", 1.0, gt=0)
