"""Planted bugs: context managers that put one plausible mistake into the library, for as long as they are open."""

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy
import torch

from svdd.chain import distributions, equal_rows, filtering, flows, process, rng, tree, unmasking
from svdd.decoding import metering, visited
from svdd.domains.image import pixels
from svdd.domains.image.designs import ImageKind
from svdd.domains.protein.rewards import EnsembleReward
from svdd.domains.sequence.ehrlich_functions import EhrlichFunction
from svdd.domains.sequence.ensembles import SequenceEnsemble
from svdd.domains.toy.enumeration import Enumerable
from svdd.fitting import fingerprint, losses, regression
from svdd.fitting.rollouts import Rollouts
from svdd.method import (
    filtered_values,
    first_designs,
    kept_paths,
    loop,
    population,
    refinement,
    revealed_again,
    selectors,
    tempering,
    values,
)
from svdd.method.selectors import Selection
from svdd.metrics import hedging
from svdd.rewards import objectives
from svdd.runs import paths
from svdd.runs.folder import RunFolder
from svdd.runs.marks import Mark
from svdd.scoring import best_designs, first_rewards, identity, numbers
from svdd.scoring.reward import traits_of


@contextmanager
def everywhere(original, replacement):
    """Replaces a function in every module of the library that has imported it."""
    with ExitStack() as stack:
        found = 0
        for name, module in list(sys.modules.items()):
            if name == "svdd" or name.startswith("svdd."):
                for attribute in [k for k, v in vars(module).items() if v is original]:
                    stack.enter_context(patch.object(module, attribute, replacement))
                    found += 1
        assert found, "nothing to replace"
        yield


def resampling_forgets_log_k():
    return patch.object(selectors, "log_mean", lambda log_w: log_w.logsumexp(-1))


def weights_not_reset():
    """Survivors carry their own weight although it has been spent on their numbers."""
    return patch.object(
        selectors, "_resampled", lambda ancestor, log_w: Selection(ancestor, log_w.gather(-1, ancestor))
    )


def weights_set_to_zero():
    return patch.object(selectors, "_resampled", lambda a, log_w: Selection(a, torch.zeros_like(a, dtype=log_w.dtype)))


def ancestors_off_by_one():
    original = selectors._inverted
    return patch.object(selectors, "_inverted", lambda w, u: (original(w, u) + 1) % w.shape[-1])


def systematic_offset_fixed():
    def systematic(log_w, n, rng):
        u = (torch.arange(n) + torch.full((len(log_w), 1), 0.5, dtype=torch.float64)) / n
        return selectors._resampled(selectors._inverted(selectors._weights(log_w), u), log_w)

    return everywhere(selectors.systematic, systematic)


def residual_without_the_rest():
    """Rounds the expected numbers, then fills up with the best."""

    def residual(log_w, n, rng):
        counts = (n * log_w.softmax(-1)).floor()
        counts[:, 0] += n - counts.sum(-1)
        slot = torch.arange(n, dtype=counts.dtype).expand(len(log_w), n).contiguous()
        return selectors._resampled(torch.searchsorted(counts.cumsum(-1), slot, right=True), log_w)

    return patch.object(selectors, "residual", residual)


def weight_dropped_when_not_resampled():
    def keep(log_w, n, rng):
        return Selection(torch.arange(n).expand(len(log_w), n), torch.zeros_like(log_w[:, :n]))

    return patch.object(selectors, "keep", keep)


def maximum_over_all_chains():
    """The exponential is shifted by the maximum over the batch instead of the chain's own."""

    def shared(log_w):
        w = (torch.where(log_w.isneginf().all(-1, keepdim=True), 0.0, log_w) - log_w.max()).exp() + 1e-300
        return w / w.sum(-1, keepdim=True)

    return patch.object(selectors, "_weights", shared)


def hopeless_chain_takes_the_first():
    def weights(log_w):
        first = torch.full_like(log_w, -torch.inf)
        first[:, 0] = 0.0
        return torch.where(log_w.isneginf().all(-1, keepdim=True), first, log_w).softmax(-1)

    return patch.object(selectors, "_weights", weights)


def step_without_hope_levels_its_chain():
    """Where no child has a weight, all have the mean weight and the best value of the parents."""

    def levelled(v, log_w, parent):
        hopeless = log_w.isneginf().all(1, keepdim=True)
        best, mean = parent.value.amax(1, keepdim=True), selectors.log_mean(parent.log_w)[:, None]
        return torch.where(hopeless, best, v), torch.where(hopeless, mean, log_w)

    return patch.object(loop, "_unscored_without_hope", levelled)


def conditioning_tiled():
    """a b a b instead of a a b b."""
    return patch.object(
        process, "repeat", lambda x, m: x if m == 1 else tree.tree_map(lambda leaf: torch.cat([leaf] * m), x)
    )


def look_ahead_at_the_parents_time():
    return patch.object(process.Particles, "t", property(lambda self: self.process.times[max(self.step - 1, 0)]))


def look_ahead_of_the_parent():
    """Children inherit the answer that was computed for their parent's state (a stale mask)."""
    original = process.Particles.propose

    def propose(self, m):
        return original(self, m).keep_posterior(tree.repeat(self.posterior, m))

    return patch.object(process.Particles, "propose", propose)


def child_valued_by_its_grandparent():
    """Children inherit whom their parent came from."""
    original = process.Particles.propose

    def propose(self, m):
        children = original(self, m)
        if isinstance(self.parents, filtering.Parents):
            return replace(children, parents=self.parents.take(torch.arange(len(self)).repeat_interleave(m)))
        return children

    return patch.object(process.Particles, "propose", propose)


def parents_left_behind():
    """States are gathered, whom they came from stays where it was."""
    return patch.object(
        filtering.Parents, "take", lambda self, index: replace(self, children=1, taken=self.row[: len(index)])
    )


def child_says_nothing():
    """The parent's own law, whatever the child shows."""
    return patch.object(filtering.Revealed, "mode", lambda self: tree.take(self.law.mode(), self.kind))


def likelihood_of_the_parent_not_divided_out():
    """Uniform noise: what the parent's own token said counts twice."""
    return everywhere(filtering.uniform_posterior, filtering.uniform_leave_one_out)


def screened_out_is_worthless():
    """Above temperature 0 too."""
    original = filtered_values.screened
    return patch.object(filtered_values, "screened", lambda reward, m, temperature=0.0: original(reward, m, 0.0))


def screen_keeps_the_worst():
    original = filtered_values._best
    return patch.object(filtered_values, "_best", lambda v, *more: original(-v, *more))


def last_step_not_selected():
    original = loop.choose

    def choose(pool, parent, value, select, **settings):
        if pool.final:
            value = lambda particles: torch.zeros(len(particles), dtype=torch.float64)  # noqa: E731
        return original(pool, parent, value, select, **settings)

    return patch.object(loop, "choose", choose)


def temperature_ignored():
    original = loop.choose
    return patch.object(loop, "choose", lambda *args, **settings: original(*args, **settings | {"temperature": 1.0}))


def argmax_for_softmax():
    return everywhere(selectors.multinomial, selectors.top)


def softmax_for_argmax():
    return everywhere(selectors.top, selectors.multinomial)


def mean_reward_for_soft_value():
    original = Enumerable.soft_values
    return patch.object(Enumerable, "soft_values", lambda self, temperature: original(self, float("inf")))


def first_of_equals():
    def top(log_w, n, rng):
        best = log_w.sort(dim=-1, descending=True, stable=True).indices[:, :n]
        return Selection(best, log_w.gather(-1, best))

    return everywhere(selectors.top, top)


def prediction_left_behind():
    """States are gathered, the network's answers stay where they were."""

    def take(self, index, rng):
        chosen = replace(self, **{k: tree.take(getattr(self, k), index) for k in ("x", "cond", "memory")})
        return chosen.keep_posterior(self.posterior[torch.arange(len(index))]) if self.has_posterior else chosen

    return patch.object(process.Particles, "take", take)


def memory_left_behind():
    def take(self, index, rng):
        memory = tree.take(self.memory, torch.arange(len(index)))
        return replace(self, x=tree.take(self.x, index), cond=tree.take(self.cond, index), memory=memory)

    return patch.object(process.Particles, "take", take)


def siblings_share_noise():
    def normal(self, m, rng):
        noise = rng.normal(self.mean.shape, dtype=self.mean.dtype)
        return tree.repeat(self.mean + self.std * noise, m)

    return patch.object(distributions.Normal, "sample", normal)


def siblings_share_a_uniform():
    original = distributions.Categorical.sample
    return patch.object(
        distributions.Categorical, "sample", lambda self, m, rng: tree.repeat(original(self, 1, rng), m)
    )


def last_weight_is_the_running_one():
    """The potential goes on accumulating at the end, so that the reward never replaces it."""

    def accumulated(value, name, nothing, merge, strength):
        def wrapped(particles):
            v, memory = value(particles), particles.memory
            statistic = merge(memory[name], v) if name in memory else v
            total = memory.get(name + " total", torch.zeros_like(v)) + statistic
            memory.update({name: statistic, name + " total": total})
            return total

        return wrapped

    return patch.object(values, "_accumulated", accumulated)


def level_of_the_local_choice_dropped():
    """Nested choice without the log-mean weight of the siblings: what plain SVDD forgets."""
    original = selectors._local

    def local(log_w, n, pick, rng):
        chosen = original(log_w, n, pick, rng)
        return Selection(chosen.ancestor, torch.zeros_like(chosen.log_w))

    return patch.object(selectors, "_local", local)


def level_forgets_log_m():
    """The log of the sum of the siblings' weights instead of their mean."""
    original = selectors._local

    def local(log_w, n, pick, rng):
        chosen = original(log_w, n, pick, rng)
        return Selection(chosen.ancestor, log_w.view(len(log_w), n, -1).logsumexp(-1))

    return patch.object(selectors, "_local", local)


def parents_value_not_subtracted():
    """Weights accumulate the value instead of its increments."""
    original = loop.choose

    def choose(pool, parent, value, select, **settings):
        return original(pool, parent._replace(value=torch.zeros_like(parent.value)), value, select, **settings)

    return patch.object(loop, "choose", choose)


def initial_noise_not_selected():
    return everywhere(loop.tilt, lambda start, value, select, *, candidates, temperature: start)


def unusable_rewards_become_zero():
    def read_answer(answer, n, source="reward"):
        return numbers.as_numbers(answer, n, source).nan_to_num(0.0, posinf=0.0), {}

    return everywhere(numbers.read_answer, read_answer)


def one_stream_for_all_chains():
    """Draws depend on how many chains there are."""

    def draw(self, fill, shape, dtype=torch.float32, device=None):
        buffer = torch.empty(tuple(shape), dtype=dtype).numpy()
        fill(self._generators[0], out=buffer, dtype=buffer.dtype)
        return torch.from_numpy(buffer)

    return patch.object(rng.Rng, "_draw", draw)


def global_generator():
    return patch.object(rng.Rng, "uniform", lambda self, shape, **kwargs: torch.rand(tuple(shape), **kwargs))


def inverse_cdf_shifted():
    """The token above the one that was drawn."""
    original = distributions.inverted
    return everywhere(original, lambda cdf, u: (original(cdf, u) + 1) % cdf.shape[-1])


def reach_cut_short():
    """Sites whose number is just below the probability of a reveal are left masked."""
    original = unmasking.Unmasking._within_reach
    return patch.object(unmasking.Unmasking, "_within_reach", lambda self, lowest: original(self, lowest * 1.3))


def rows_told_apart_without_their_first_site():
    original = equal_rows._keys
    return patch.object(equal_rows, "_keys", lambda table: [key[1:] for key in original(table)])


def incremental_effective_sample_size():
    """Tempering looks at the weights of a step alone, as if none had been carried from the steps before."""
    select, strength = tempering.Tempering.select, tempering.Tempering.strength

    def selecting(self, log_w, n, rng):
        chosen = select(self, log_w, n, rng)
        left = 1 - self._valued[0].memory["tempering"].view(log_w.shape)[:, :1]
        self.carried = chosen.log_w - left * (self._valued[1] / self.temperature).view(log_w.shape).gather(
            1, chosen.ancestor
        )
        return chosen

    def judging(self, log_w, u, before):
        return strength(self, log_w - getattr(self, "carried", 0.0), u, before)

    return patch.multiple(tempering.Tempering, select=selecting, strength=judging)


def tempering_of_the_wrong_sign():
    """The untempered part of a value is added where it should be taken away."""
    return patch.object(tempering, "_at", lambda strength, log_w, u: log_w + (1 - strength)[:, None] * u)


def old_strength_not_undone():
    """Survivors do not get back what their resampling left out, so that the next difference counts it twice."""
    select = tempering.Tempering.select

    def selecting(self, log_w, n, rng):
        chosen = select(self, log_w, n, rng)
        left = 1 - self._valued[0].memory["tempering"].view(log_w.shape)[:, :1]
        u = (self._valued[1] / self.temperature).view(log_w.shape).gather(1, chosen.ancestor)
        return Selection(chosen.ancestor, chosen.log_w - left * u)

    return patch.object(tempering.Tempering, "select", selecting)


# learned values


def soft_fit_learns_the_mean():
    """Squares in place of LINEX: what most code does."""
    return patch.object(regression, "linex", lambda f, y, unit, a, clip: losses.squared(f, y, unit))


def soft_backup_is_the_mean():
    """Hard temporal differences: the plain mean over children."""
    return patch.object(regression, "soft_backup", lambda children, a: children.mean(-1))


def labels_of_the_next_chain():
    return patch.object(Rollouts, "label", property(lambda self: self.reward.roll(1)[self.chain]))


def equal_states_valued_each_time():
    return patch.object(metering, "deduplicated", lambda f, *more: f)


def any_reward_will_do():
    return patch.object(fingerprint, "_close", lambda fitted, given: True)


# steps of flows


def fresh_noise_in_proportion_to_eta():
    """eta in place of sin(eta pi / 2)."""
    return patch.object(flows, "_shares", lambda eta: (eta, 1 - (1 - eta**2) ** 0.5))


def variance_for_standard_deviation():
    original = flows._shares
    return patch.object(flows, "_shares", lambda eta: (original(eta)[0] ** 2, original(eta)[1]))


def fresh_noise_on_top():
    """What is there stays, so that there is more noise than there should be."""
    original = flows._shares
    return patch.object(flows, "_shares", lambda eta: (original(eta)[0], 0.0))


def score_of_the_wrong_sign():
    original = flows.Velocity.noise
    return patch.object(flows.Velocity, "noise", lambda self, x, t: -original(self, x, t))


def diffusion_not_squared():
    original = flows._diffusion
    return patch.object(flows, "_diffusion", lambda eta, t, s: original(eta, t, s).sqrt())


def straight_path_backwards():
    return patch.object(flows, "straight", lambda t: (t, 1 - t))


# images


def prompts_tiled():
    """The prompts of all chains one after the other, where the candidates of a chain are next to each other."""

    def designs(self, x0, cond):
        index = torch.arange(tree.rows(x0)) % tree.rows(cond)
        return self.attach(self.decode(x0), tree.take(cond, index))

    return patch.object(process.Process, "designs", designs)


def pixels_cut_off():
    """The next lower byte in place of the nearest."""

    def rounded(images, first):
        return (images.clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1)

    return patch.object(pixels, "_rounded", rounded)


# score files


def identity_ignores_versions():
    return patch.object(identity, "_versions", lambda packages: {})


# the way to a reward


def components_under_one_policy():
    """The policy of the last component that has one settles the failures of all."""
    original = objectives.Objective.__init__

    def init(self, combine, parts, kappa=None):
        original(self, combine, parts, kappa)
        for part in self.parts.values():
            self.policy = traits_of(part.reward).policy or getattr(self, "policy", None)
        for part in self.parts.values():
            part.scorer.judge.policy = self.policy or part.scorer.judge.policy

    return patch.object(objectives.Objective, "__init__", init)


def best_designs_that_are_copies():
    """Tensors are not told apart among the best designs, nor from the finished ones."""
    return patch.object(best_designs.BestDesigns, "keys", lambda self, designs: [object() for _ in designs])


def score_shadows_a_column():
    """The columns that designs bring with them are not reserved."""
    return patch.object(ImageKind, "further", ())


# folders and jobs


def any_job_file_makes_a_run():
    return patch.object(RunFolder, "is_run", lambda self: self.job.is_file())


def files_of_our_names_are_ours():
    return patch.object(Mark, "check_files", lambda self, names, ours=(): None)


def options_guessed_to_be_paths():
    """Whatever has the name of something on the disk is taken for it."""

    def guessed(kind, name, options):
        texts = {k: v for k, v in options.items() if isinstance(v, str)}
        return options | {k: paths.whole(v) for k, v in texts.items() if Path(v).exists()}

    return everywhere(paths.whole_options, guessed)


def equal_designs_count_as_first_rewards():
    original = first_rewards.FirstRewards.__init__

    def init(self, keys):
        original(self, lambda designs: [object() for _ in designs])

    return patch.object(first_rewards.FirstRewards, "__init__", init)


# hedges


def hedge_tilts_the_wrong_way():
    original = hedging.Pool.mass_at
    return patch.object(hedging.Pool, "mass_at", lambda self, inverse: original(self, -inverse))


def ranks_of_draws_with_replacement():
    """The closed form of N draws that may be the same design."""
    return patch.object(hedging, "_share_of_choices", lambda below, n: (below / below[:, -1:]) ** n)


def best_of_n_forgets_invalid_designs():
    original = hedging._share_of_choices
    return patch.object(hedging, "_share_of_choices", lambda below, n: original(below - below[:, :1], n))


def worse_designs_accepted():
    """The acceptance of a move with its sign turned."""
    original = refinement.log_acceptance
    return patch.object(refinement, "log_acceptance", lambda log_w, place: -original(log_w, place))


def best_of_accepted_designs_alone():
    """A design is remembered only once a chain goes there."""

    def accepted(v, choice):
        taken = v.gather(1, choice.place[:, None])[:, 0]
        return torch.where(choice.accepted, taken, -torch.inf), choice.place

    return patch.object(refinement, "best_seen", accepted)


def a_path_kept_from_before_it_was_left():
    """A move of all steps that is accepted leaves the state from which the last steps are taken again as it was."""
    original = kept_paths.KeptPaths.proposed

    def stale(self, at, number, tail, tries):
        proposed = original(self, at, number, tail, tries)
        return replace(proposed, memory=proposed.memory | {kept_paths.KEPT: at.spread(tries).memory[kept_paths.KEPT]})

    return patch.object(kept_paths.KeptPaths, "proposed", stale)


def times_never_tested():
    """Sites are revealed at other times, whatever the network then says of them."""
    return patch.object(revealed_again.Revealed, "settled", lambda self, at: self._retimed(at))


def visited_designs_weigh_alike():
    """A design counts once, however long its chain stayed."""
    return patch.object(visited.Visited, "weights", lambda self: torch.ones_like(self._whole().visit))


def populations_tilted_by_what_they_are():
    """Designs weigh as their target does, not as it changes, though moves accept by it."""
    return patch.object(population, "gain", lambda annealed, number: 1 / annealed.temperature(number + 1))


def any_of_the_first_designs_refined():
    """A chain begins with the first of its first designs, whatever the others are worth."""
    return patch.object(first_designs, "top", selectors.keep)


# Ehrlich functions


def banned_transitions_forgotten():
    return patch.object(EhrlichFunction, "_feasible", lambda self, x: numpy.ones(len(x), dtype=bool))


def motifs_without_spacings():
    """Letters of a motif that stand side by side."""
    original = EhrlichFunction._quality
    return patch.object(
        EhrlichFunction, "_quality", lambda self, x, motif, offsets: original(self, x, motif, numpy.arange(len(motif)))
    )


def quality_not_rounded_down():
    original = EhrlichFunction._quality

    def quality(self, x, motif, offsets):
        return original(replace(self, quantization=len(motif)), x, motif, offsets)

    return patch.object(EhrlichFunction, "_quality", quality)


# ensembles


def pessimism_ignored():
    return patch.object(EnsembleReward, "of_outputs", lambda self, outputs: outputs.mean(1))


def disagreement_is_rewarded():
    """The spread with its sign turned: designs on which members disagree are worth more."""
    return patch.object(
        EnsembleReward, "of_outputs", lambda self, outputs: outputs.mean(1) + self.pessimism * outputs.std(1)
    )


def variance_for_spread():
    return patch.object(
        EnsembleReward, "of_outputs", lambda self, outputs: outputs.mean(1) - self.pessimism * outputs.var(1)
    )


def ensemble_of_one_member():
    """The first member in the place of all."""

    def forward(self, tokens):
        return self.members[0](tokens).expand(-1, len(self.members))

    return patch.object(SequenceEnsemble, "forward", forward)
