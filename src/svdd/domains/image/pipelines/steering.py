"""Steering: a diffusers pipeline as it is, decoded towards a reward."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from svdd.cost.ledger import Cost
from svdd.decoding.decoding import Decoding
from svdd.decoding.result import Result
from svdd.domains.image.designs import image_reward
from svdd.domains.image.pipelines.arguments import Arguments, call_signature
from svdd.domains.image.pipelines.callbacks import watched
from svdd.domains.image.pipelines.frames import check_frames
from svdd.domains.image.pipelines.judged import Judged
from svdd.domains.image.pipelines.kernels import check_first_step, check_scheduler
from svdd.domains.image.pipelines.made_images import MadeImages
from svdd.domains.image.pipelines.networks import check_caches
from svdd.domains.image.pipelines.outputs import joined_outputs, with_result
from svdd.domains.image.pipelines.pipeline_process import PipelineProcess
from svdd.domains.image.pipelines.running import PipelineFailed, Running, greenlet_module, lock_of
from svdd.domains.image.pipelines.sizes import STEPS, Sizes, check_numbers, most_of, slots_of
from svdd.domains.image.pipelines.supported import check_mask, check_supported
from svdd.domains.image.pipelines.together import Together
from svdd.domains.image.prompts import encode_prompts
from svdd.method.learned_values import Learned, Predictor
from svdd.method.loop import Count
from svdd.method.table import make_method
from svdd.method.values import Value
from svdd.method.values_by_name import read_value
from svdd.registry import find_reward
from svdd.scoring.reward import Reward

Decoder: TypeAlias = Any
"""A function of latents to images, or an autoencoder."""
_CANDIDATES = 20
_NO_VALUES = {
    "rollout": "a rollout asks the network at times of its own",
    "filtered": "filtered is for tokens: a step of images adds noise to its parent's look-ahead and nothing else",
}
_NOT_HERE = ("budget", "cache", "journal", "key", "cond", "samples")
_OF_A_RUN = ("scores", "on_failure", "share")


def steer(
    pipe: Any,
    reward: Reward | str,
    method: str = "svdd",
    *,
    candidates: Count | None = None,
    value: str | Value = "posterior-mean",
    seed: int = 0,
    eta: int | float | None = None,
    decode: Decoder | None = None,
    look_ahead_decode: Decoder | None = None,
    batch: int | None = None,
    chunks: Mapping[str, int] | None = None,
    return_all: bool = False,
    reward_options: Mapping[str, Any] | None = None,
    experimental: bool = False,
    **options: Any,
) -> "Steered":
    r"""A diffusers pipeline that is called as before, and whose images are decoded towards a reward.

    The pipeline runs unmodified, with its own arguments, hooks and progress bar. At every step its scheduler's kernel
    $p(x_s | x_t)$ proposes the candidates of each image, the reward judges their decoded look-aheads, and the method chooses;
    at the last step it judges the finished images.

    Args:
        pipe: a pipeline of `svdd.domains.image.pipelines.supported`, with a DDIM, DDPM, EulerAncestralDiscrete, LCM or
            FlowMatchEulerDiscrete scheduler.
        reward: images, or images and prompts, to one number each, higher is better; or a reward's name. A plain function gets
            a list of PIL images; `svdd.domains.image.rewards.pixels` tells how it gets tensors.
        method: a name of `METHODS`.
        candidates: M, of methods that have candidates; 20 unless given. The initial noise is chosen among as many, which costs
            no network row; `prior_candidates=1` leaves that out.
        value: as for `svdd.decode`, but for those that ask the network at times of their own.
        seed: of the run; a `generator` in the call takes its place.
        eta: how much of each step's noise is fresh, from 0 to 1: of DDIM 1, of flows 0.5 unless given; a call's own `eta` takes
            its place. 0 leaves nothing to choose from.
        decode: a function of clean latents to images (n, 3, H, W) from 0 to 1, for pipelines of unknown families: it does what
            the pipeline does at its end. Any, also an autoencoder, where the call's `output_type` is "latent".
        look_ahead_decode: the same for look-aheads only, such as a `diffusers.AutoencoderTiny`; finished images are judged as
            `decode` makes them.
        batch: prompts at once (images, where there are no prompts); all unless given, or as many as `chunks` has room for.
        chunks: rows at a time of `decode`, `reward`, if learned `value`, and `network`: latents that the pipeline steps at
            once. Where all candidates are more, the pipeline is called several times, in step; its callbacks are called by
            each.
        return_all: returns all particles of an image, where the method has several, instead of one.
        reward_options: of a reward given by name.
        experimental: lets pipelines through that were not tested.
        **options: the method's own (`temperature`, `particles`, `every`, `window`, ...), and `scores`, `on_failure` and
            `share` of `svdd.decode`.

    Returns:
        What is called with the pipeline's own arguments and returns the pipeline's own output, one image for each that was
        asked for, with `rewards`, `usage`, `trace` and `result` beside `images`; a plain tuple gets the result as its last
        entry. It also takes `prompts`, the texts for the reward where the pipeline is given embeddings. A second thread that
        steers the same pipeline waits.

    Raises:
        ValueError: for a pipeline that was not tested, a scheduler that cannot be steered, and for unknown methods and
            options; with the remedy.
        TypeError: for a `decode` that is neither a function nor an autoencoder.
        ImportError: without greenlet.

    Cost:
        T P network rows, twice that under classifier-free guidance, P being the images times the most particles or candidates
        of any step; decoder and reward rows as the method's, and M for the initial noise of an image.
    """
    run = {name: options.pop(name) for name in _OF_A_RUN if name in options}
    for name in _NOT_HERE:
        if name in options:
            raise ValueError(f'steer has no {name}; svdd.load("diffusers:...") makes a process for runs that have')
    check_numbers(seed, batch, chunks or {})
    for decoder in (decode, look_ahead_decode):
        if not (decoder is None or callable(decoder) or hasattr(decoder, "decode")):
            raise TypeError(f"decode is a function of latents to images, or an autoencoder, got {decoder!r:.60}")
    reason = _NO_VALUES.get(read_value(value)[0]) if isinstance(value, str) else None
    if reason is not None:
        raise ValueError(f'{reason}; use "posterior-mean" or "log-mean-exp"')
    if candidates is not None or "candidates" in make_method(method, {}).options:
        options["candidates"] = _CANDIDATES if candidates is None else candidates
    if make_method(method, options).sizes_of("moves"):
        raise ValueError(
            f'{method} goes back to earlier times, which a pipeline walks through once; svdd.load("diffusers:...") makes a '
            "process that it can move"
        )
    check_frames(pipe, decode)
    listed = check_supported(pipe, experimental)
    check_scheduler(pipe, eta)
    greenlet_module()
    guide = find_reward(reward, reward_options)
    scores = {name: image_reward(find_reward(score)()) for name, score in (run.get("scores") or {}).items()}
    bounds = dict(chunks or {})
    sizes = Sizes(batch, bounds.pop("network", None))
    run |= {"value": _of_latents(value), "chunks": bounds, "seed": seed, "scores": scores}
    return Steered(
        pipe, image_reward(guide()), method, options, run, eta, (decode, look_ahead_decode), sizes, return_all, listed
    )


def _of_latents(value: str | Value) -> str | Value:
    """A learned value predicts from latents; the state has more."""
    return replace(value, predictor=partial(_on_latents, value.predictor)) if isinstance(value, Learned) else value


def _on_latents(predictor: Predictor, x: Any, t: Tensor, cond: Any) -> Any:
    return predictor(x["latents"], t, cond)


@dataclass(eq=False, repr=False)
class Steered:
    """A pipeline with a reward; `steer` makes it."""

    pipe: Any
    reward: Reward
    method: str
    options: dict[str, Any]
    run: dict[str, Any]
    eta: int | float | None
    decoders: tuple[Decoder | None, Decoder | None]
    sizes: Sizes
    return_all: bool
    listed: bool

    def __call__(self, *args: Any, **named: Any) -> Any:
        """The pipeline's own output, decoded towards the reward.

        Raises:
            ValueError: for what cannot be steered, for images other than the judged ones, and whatever the pipeline and the
                reward raise, unchanged; the pipeline is left as it was.
        """
        try:
            with lock_of(self.pipe):
                return self._output(*args, **named)
        except PipelineFailed as error:
            failed = error.original
        if isinstance(failed, torch.OutOfMemoryError) and hasattr(failed, "add_note"):
            failed.add_note("give steer chunks={'network': n} to step n latents at once, or fewer candidates")
        raise failed

    @torch.no_grad()
    def _output(self, *args: Any, eta: int | float | None = None, **named: Any) -> Any:
        eta = self.eta if eta is None else eta
        check_scheduler(self.pipe, eta)
        check_caches(self.pipe)
        arguments = Arguments.of(self.pipe, args, named, self.listed)
        if self.listed:
            check_mask(self.pipe, arguments.given)
        self._check(arguments, eta)
        call = _Call(self, arguments, self._own_options(arguments), eta)
        return with_result(*call.run())

    def _check(self, arguments: Arguments, eta: int | float | None) -> None:
        asks, own = getattr(self.reward, "needs_prompts", False), getattr(self.reward, "prompts", None)
        if asks and arguments.texts is None and own is None:
            raise ValueError(
                "the reward asks for prompts, and the pipeline is given none as text; give the call prompts=[...]"
            )
        check_first_step(self.pipe.scheduler, call_signature(self.pipe).parameters, arguments.given)
        sizes = make_method(self.method, self.options).sizes_of("children")
        most = max([1, *(most_of(name, self.options[name]) for name in sizes if name in self.options)])
        if eta == 0 and most > 1:
            raise ValueError(
                f"eta=0 adds no noise, so the {most} candidates of a step would be equal; set eta above 0 (1 for DDIM, 0.5 for "
                "flows), or use a method with particles, such as best-of-n"
            )

    def _own_options(self, arguments: Arguments) -> dict[str, Any]:
        """The method's options, the initial noise chosen among as many as there are candidates, unless it is given."""
        options = dict(self.options)
        method = make_method(self.method, options)
        several = next((options[name] for name in method.sizes_of("children") if name in options), 1)
        noises = method.sizes_of("noises")
        chosen = dict.fromkeys(noises, several) if isinstance(several, int) else {}
        given = options | dict.fromkeys(noises, 1) if arguments.own_noise else chosen | options
        return method.defaults() | given


class _Call:
    """One call of a steered pipeline: its batches, decoded one after the other."""

    def __init__(
        self, steered: Steered, arguments: Arguments, options: dict[str, Any], eta: int | float | None
    ) -> None:
        self.steered, self.arguments, self.options = steered, arguments, options
        self.seed = arguments.seed(steered.run["seed"])
        steps = arguments.given.get("num_inference_steps") or STEPS
        self.slots = slots_of(make_method(steered.method, options), options, steps)
        self.made = MadeImages(steered.pipe, arguments.given)
        decode, look_ahead = steered.decoders
        full = self._decoder(decode)
        self.process = PipelineProcess(self.slots, eta, full, full if look_ahead is None else self._decoder(look_ahead))
        self.network = Cost()

    def _decoder(self, decode: Decoder | None) -> Callable[[Tensor], Any]:
        return self.made.decoder(decode) if decode is None or hasattr(decode, "decode") else decode

    def run(self) -> tuple[Any, Result]:
        """The pipeline's output and the run's result."""
        started = time.perf_counter()
        chains, images = self.arguments.chains, self.arguments.images
        size = self.steered.sizes.chains(self.arguments.prompts, images)
        batches = [range(i, min(i + size, chains)) for i in range(0, chains, size)]
        outputs, decoding = [], None
        for number, batch in enumerate(batches):
            with self.made.observed(), self._together(batch) as running:
                self.process.take(running, len(batch))
                decoding = decoding or self._decoding(size)
                for _ in decoding.through(number):
                    pass
                result = decoding.result()
                outputs.append(self._finished(running, result, batch))
                self._bill(running)
        vars(result.usage.network).update(vars(self.network))
        result.usage.seconds = time.perf_counter() - started
        return joined_outputs(outputs), result

    def _together(self, batch: range) -> Together:
        """The pipeline's calls for a batch, the first with its progress bar."""
        parts = self.steered.sizes.parts(self.slots, len(batch))
        given = [self.arguments.part(batch, self.slots, self.seed, part) for part in parts]
        given = [watched(one, len(batch), len(part)) for one, part in zip(given, parts, strict=True)]
        runnings = [Running(self.steered.pipe, arguments, silent=i > 0) for i, arguments in enumerate(given)]
        return Together(runnings, len(batch), [len(part) for part in parts])

    def _decoding(self, batch: int) -> Decoding:
        steered, captions = self.steered, self.arguments.captions
        process = self.process.process(type(steered.pipe).__name__)
        cond = () if captions is None else {"prompt": encode_prompts(captions)}
        if captions is not None:
            process = replace(process, attach=lambda designs, cond: designs | {"prompt": cond["prompt"]})
        method = make_method(steered.method, self.options)
        method = method.returning("all" if steered.return_all else None)
        samples = self.arguments.chains * method.designs_per_chain(self.options)
        settings = steered.run | {"seed": self.seed, "method": steered.method, "samples": samples}
        settings |= {"batch": batch, "returns": method.returns}
        return Decoding(process, steered.reward, cond=cond, **settings, **self.options)

    def _finished(self, running: Together, result: Result, batch: range) -> Any:
        """The pipeline's output for a batch's designs, which is what was judged."""
        rows = [row for row, chain in enumerate(result.chain) if chain in batch]
        images, sent = result.samples["images"][rows], self.process.to_pipeline(result.samples["latents"][rows])
        output = running.finish(sent.clone())  # which the pipeline may change in place
        Judged(self.steered.pipe, self.arguments.given, self.steered.decoders[0], sent, images).check(output)
        return output

    def _bill(self, together: Together) -> None:
        """What the pipeline computed, rows that only filled its slots too."""
        each = _rows_each(self.steered.pipe, self.arguments.given)
        for running, slots in zip(together.runnings, together.slots, strict=True):
            self.network.rows += running.cost.rows or running.cost.calls * together.chains * slots * each
            self.network.calls += running.cost.calls
            self.network.seconds += running.cost.seconds


def _rows_each(pipe: Any, given: Mapping[str, Any]) -> int:
    """Network rows of a state where they cannot be counted: 2 under classifier-free guidance."""
    parameters = call_signature(pipe).parameters
    scale = given.get("true_cfg_scale", parameters["true_cfg_scale"].default if "true_cfg_scale" in parameters else 1)
    negative = any(given.get(name) is not None for name in ("negative_prompt", "negative_prompt_embeds"))
    return 2 if getattr(pipe, "do_classifier_free_guidance", False) or (scale > 1 and negative) else 1
