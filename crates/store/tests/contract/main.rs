//! What a store promises, checked over both databases: SQLite in a temporary folder, PostgreSQL at
//! `ORTOLAN_TEST_POSTGRES_URL`, where each test makes a database of its own.
#![allow(clippy::unwrap_used, missing_docs)]

mod artifacts;
mod callbacks;
mod dispatch;
mod fixture;
mod harness;
mod lists;
mod model;
mod models;
mod moves;
mod predictions;
mod processes;
mod quarantine;
mod races;
mod restart;
mod slots;
mod soundness;
mod submit;
mod tenants;
mod upkeep;

use harness::contract;

contract! {
    submit::a_new_task_is_pending_and_reads_back_whole,
    submit::the_same_key_and_request_replay_the_task,
    submit::the_same_key_with_another_request_is_a_conflict,
    submit::a_key_is_free_again_when_it_expired_or_its_task_is_gone,
    submit::keys_of_other_tenants_do_not_meet,
    submit::many_at_once_with_one_key_make_one_task,
    submit::a_bad_row_fails_alone,
    moves::every_move_is_legal_or_changes_nothing,
    moves::a_whole_life_counts_versions_and_tells_the_observer,
    moves::a_stale_attempt_or_another_owner_changes_nothing,
    moves::failures_are_counted_and_snoozes_are_not,
    moves::a_users_retry_starts_afresh_and_attempts_keep_growing,
    moves::cancel_tells_what_the_task_was,
    moves::another_tenant_finds_nothing,
    moves::a_heartbeat_extends_what_is_held_and_names_what_is_lost,
    races::one_of_many_claims_wins,
    races::cancel_and_complete_have_one_winner,
    races::two_dispatchers_share_one_window,
    races::dispatches_at_once_leave_no_row_behind,
    races::mixed_load_keeps_every_invariant,
    dispatch::tenants_take_turns,
    dispatch::priority_then_age_decide_within_a_tenant,
    dispatch::the_window_and_the_tenants_share_are_kept,
    dispatch::what_is_in_flight_counts_against_its_tenant,
    dispatch::rows_that_wait_or_expired_stay,
    dispatch::undelivered_rows_come_back,
    dispatch::enqueue_ignores_the_limits,
    dispatch::a_wide_window_takes_the_same_as_many_narrow_ones,
    dispatch::who_has_much_in_flight_still_gets_the_free_places,
    lists::filters_and_pages,
    lists::sorts_put_those_that_never_ran_last,
    lists::depths_and_open_tasks_count_what_has_not_ended,
    artifacts::they_come_back_in_order_and_in_pages,
    artifacts::a_completion_that_cannot_be_stored_changes_nothing,
    artifacts::hundreds_are_stored_at_once,
    callbacks::an_end_makes_deliveries_and_nothing_else_does,
    callbacks::a_completion_that_cannot_be_stored_makes_no_delivery,
    callbacks::every_kind_of_end_is_told_once_with_its_reason,
    callbacks::a_delivery_is_with_one_sender_until_its_lease_ends,
    callbacks::nobody_is_told_of_pictures_before_they_are_in_place,
    callbacks::what_has_ended_can_be_asked_for_again,
    callbacks::many_senders_at_once_get_each_delivery_once,
    callbacks::deliveries_go_with_their_task,
    callbacks::a_secret_is_made_once_and_replaced_with_notice,
    upkeep::a_lost_lease_goes_back_and_is_poison_at_the_limit,
    upkeep::take_back_all_counts_only_what_ran,
    upkeep::queued_and_running_attempts_are_found,
    processes::one_leads_until_its_lease_ends,
    processes::of_many_at_once_one_leads,
    processes::the_register_knows_who_was_heard_of,
    upkeep::what_was_not_started_in_time_expires,
    upkeep::old_tasks_go_with_their_artifacts,
    upkeep::long_runs_are_listed,
    soundness::what_is_as_it_should_be_is_not_mentioned,
    soundness::broken_rows_are_named_in_words,
    soundness::a_look_at_the_last_minutes_leaves_out_what_ended_before,
    tenants::a_name_is_taken_once_and_changes_are_kept,
    tenants::a_deleted_tenant_takes_its_rows_along,
    tenants::keys_are_found_by_hash_and_revoked_once,
    tenants::operators_keys_belong_to_no_tenant,
    tenants::tenants_and_keys_are_made_once_for_an_idempotency_key,
    tenants::media_are_stored_once_listed_and_deleted,
    tenants::media_keys_replay,
    slots::generations_count_on_and_the_ledger_tells_all,
    models::a_version_reads_back_whole_by_id_and_by_name,
    models::name_and_version_are_taken_once_by_tenant,
    models::versions_sort_by_precedence_however_they_came,
    models::the_latest_ready_version_of_many_names,
    models::lists_are_filtered_sorted_and_paged,
    models::a_life_from_upload_to_the_archive_and_back,
    models::what_a_status_forbids_changes_nothing,
    models::a_validation_that_was_overtaken_says_nothing,
    models::a_lapsed_validation_stands_in_nobodys_way,
    models::a_file_that_did_not_arrive_is_taken_back,
    models::keys_replay_the_version,
    models::a_deleted_version_takes_its_jobs_along,
    models::two_validations_at_once_have_one_winner,
    quarantine::three_crashes_of_a_pair_and_of_a_tenant,
    quarantine::it_is_lifted_one_by_one_or_all_at_once_and_forgotten,
    predictions::they_are_stored_at_once_and_listed_newest_first,
    predictions::what_belongs_to_nobody_is_left_out,
    predictions::old_ones_are_deleted_in_batches,
    restart::migrations_run_twice,
    restart::a_newer_database_is_refused,
    restart::what_was_acknowledged_survives_a_crash,
    restart::a_closed_store_says_so,
}
