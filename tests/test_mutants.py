"""Every planted bug makes a check fail that the library as it is passes: the tests would notice."""

import inspect

import pytest
import torch

from exact import (
    checks,
    ehrlich_checks,
    ensemble_checks,
    filtered_checks,
    flow_checks,
    folder_checks,
    hedge_checks,
    identity_checks,
    image_checks,
    learned_checks,
    refine_checks,
    scoring_checks,
)
from support import mutants

pytestmark = pytest.mark.slow

KILLED_BY = {
    "resampling_forgets_log_k": checks.resampling_keeps_the_level,
    "weights_not_reset": checks.weighted_methods_are_unbiased,
    "weights_set_to_zero": checks.weighted_methods_are_unbiased,
    "ancestors_off_by_one": checks.offspring_are_as_expected,
    "systematic_offset_fixed": checks.offspring_are_as_expected,
    "residual_without_the_rest": checks.offspring_are_as_expected,
    "weight_dropped_when_not_resampled": checks.weights_are_carried_while_nothing_is_resampled,
    "maximum_over_all_chains": checks.chains_select_by_themselves,
    "hopeless_chain_takes_the_first": checks.hopeless_chains_select_uniformly,
    "step_without_hope_levels_its_chain": checks.a_step_without_hope_leaves_the_weights_right,
    "conditioning_tiled": checks.conditioning_stays_with_its_chain,
    "look_ahead_at_the_parents_time": checks.values_see_the_child_itself,
    "look_ahead_of_the_parent": checks.values_see_the_child_itself,
    "child_valued_by_its_grandparent": filtered_checks.children_are_valued_by_their_own_parent,
    "parents_left_behind": filtered_checks.parents_are_gathered_with_their_children,
    "child_says_nothing": filtered_checks.shown_tokens_are_taken_as_they_are,
    "likelihood_of_the_parent_not_divided_out": filtered_checks.uniform_noise_is_filtered_as_written,
    "screened_out_is_worthless": filtered_checks.screened_weights_are_unbiased,
    "screen_keeps_the_worst": filtered_checks.a_screen_asks_for_the_best,
    "last_step_not_selected": checks.one_choice_has_its_exact_law,
    "temperature_ignored": checks.one_choice_has_its_exact_law,
    "argmax_for_softmax": checks.one_choice_has_its_exact_law,
    "softmax_for_argmax": checks.one_choice_has_its_exact_law,
    "mean_reward_for_soft_value": checks.soft_values_satisfy_the_bellman_equation,
    "first_of_equals": checks.ties_are_broken_evenly,
    "prediction_left_behind": checks.predictions_travel_with_the_winner,
    "memory_left_behind": checks.memory_stays_with_its_particle,
    "siblings_share_noise": checks.siblings_differ,
    "siblings_share_a_uniform": checks.siblings_differ,
    "last_weight_is_the_running_one": checks.one_particle_weighs_its_reward,
    "level_of_the_local_choice_dropped": checks.nested_is_is_unbiased,
    "level_forgets_log_m": checks.nested_is_is_unbiased,
    "parents_value_not_subtracted": checks.weighted_methods_are_unbiased,
    "initial_noise_not_selected": checks.initial_noise_is_selected,
    "unusable_rewards_become_zero": checks.unusable_rewards_are_refused,
    "one_stream_for_all_chains": checks.a_chain_depends_on_its_own_stream_alone,
    "global_generator": checks.a_chain_depends_on_its_own_stream_alone,
    "inverse_cdf_shifted": checks.proposals_have_the_law_of_the_kernel,
    "reach_cut_short": checks.a_masked_step_leaves_out_no_site,
    "rows_told_apart_without_their_first_site": checks.states_that_differ_have_answers_of_their_own,
    "incremental_effective_sample_size": checks.tempered_weights_stay_even,
    "tempering_of_the_wrong_sign": checks.lambda_rises_as_it_should,
    "old_strength_not_undone": checks.lambda_rises_as_it_should,
    "soft_fit_learns_the_mean": learned_checks.soft_fit_is_the_soft_value,
    "labels_of_the_next_chain": learned_checks.soft_fit_is_the_soft_value,
    "soft_backup_is_the_mean": learned_checks.soft_q_is_the_bellman_solution,
    "equal_states_valued_each_time": learned_checks.equal_states_are_valued_once,
    "any_reward_will_do": learned_checks.another_reward_is_refused,
    "fresh_noise_in_proportion_to_eta": flow_checks.cps_has_its_law,
    "variance_for_standard_deviation": flow_checks.cps_has_its_law,
    "fresh_noise_on_top": flow_checks.noise_stays_on_the_path,
    "score_of_the_wrong_sign": flow_checks.flow_sde_has_its_law,
    "diffusion_not_squared": flow_checks.flow_sde_has_its_law,
    "straight_path_backwards": flow_checks.flow_posterior_has_its_law,
    "worse_designs_accepted": refine_checks.moves_have_their_exact_law,
    "banned_transitions_forgotten": ehrlich_checks.values_are_as_defined,
    "motifs_without_spacings": ehrlich_checks.values_are_as_defined,
    "quality_not_rounded_down": ehrlich_checks.values_are_as_defined,
    "best_of_accepted_designs_alone": refine_checks.the_best_design_seen_is_kept,
    "a_path_kept_from_before_it_was_left": refine_checks.kept_paths_have_their_exact_law,
    "times_never_tested": refine_checks.exact_moves_keep_the_target,
    "visited_designs_weigh_alike": refine_checks.weighted_designs_have_the_average_of_their_laws,
    "populations_tilted_by_what_they_are": refine_checks.populations_are_weighted_right,
    "any_of_the_first_designs_refined": refine_checks.the_best_of_the_first_designs_is_refined,
    "prompts_tiled": image_checks.prompts_stay_with_their_images,
    "pixels_cut_off": image_checks.bytes_come_back,
    "identity_ignores_versions": identity_checks.an_upgrade_makes_another_identity,
    "components_under_one_policy": scoring_checks.a_component_keeps_its_own_policy,
    "best_designs_that_are_copies": scoring_checks.a_stopped_run_returns_different_designs,
    "score_shadows_a_column": image_checks.prompts_stay_in_their_column,
    "any_job_file_makes_a_run": folder_checks.only_a_run_is_resumed,
    "files_of_our_names_are_ours": folder_checks.a_users_file_is_not_replaced,
    "options_guessed_to_be_paths": folder_checks.text_is_no_path,
    "hedge_tilts_the_wrong_way": hedge_checks.the_best_temperature_is_that_of_the_gaussian,
    "ranks_of_draws_with_replacement": hedge_checks.the_best_of_n_is_that_of_every_choice,
    "best_of_n_forgets_invalid_designs": hedge_checks.the_best_of_n_is_that_of_every_choice,
    "pessimism_ignored": ensemble_checks.disagreement_is_taken_off,
    "disagreement_is_rewarded": ensemble_checks.disagreement_is_taken_off,
    "variance_for_spread": ensemble_checks.disagreement_is_taken_off,
    "ensemble_of_one_member": ensemble_checks.disagreement_is_taken_off,
    "equal_designs_count_as_first_rewards": scoring_checks.equal_designs_are_one_first_reward,
}
NOT_MUTANTS = {"everywhere", "contextmanager", "patch", "replace", "traits_of"}


def test_every_mutant_is_hunted():
    functions = {name for name, f in vars(mutants).items() if inspect.isfunction(f)}
    assert set(KILLED_BY) == functions - NOT_MUTANTS


@pytest.mark.parametrize("check", sorted(set(KILLED_BY.values()), key=lambda f: f.__name__), ids=lambda f: f.__name__)
def test_check_passes_without_a_mutant(check):
    check()


@pytest.mark.parametrize("name", KILLED_BY)
def test_check_fails_with_the_mutant(name):
    state = torch.get_rng_state()
    try:
        with getattr(mutants, name)(), pytest.raises((AssertionError, pytest.fail.Exception)):
            KILLED_BY[name]()
    finally:
        torch.set_rng_state(state)  # one mutant draws from the global generator
