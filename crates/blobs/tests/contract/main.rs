//! The contract of the object store, over each kind of store there is, and what only one of them can do wrong.
#![allow(clippy::unwrap_used)]

mod faults;
mod harness;
mod objects;

harness::contract! {
    objects::what_was_put_comes_back_whatever_its_size,
    objects::one_byte_too_many_leaves_nothing_and_what_was_there_before,
    objects::a_stream_that_breaks_leaves_nothing,
    objects::a_client_that_goes_away_leaves_nothing,
    objects::a_stream_is_not_asked_again_after_its_end,
    objects::a_range_is_read_without_the_rest,
    objects::an_object_over_the_limit_is_refused_unread,
    objects::what_is_not_there_is_said_to_be_not_there,
    objects::a_rename_replaces_and_a_delete_removes,
    objects::a_list_keeps_to_its_folder_and_its_limit,
    objects::an_object_that_must_be_new_replaces_nothing,
    objects::many_objects_are_looked_at_in_turns_by_path,
    objects::many_objects_are_deleted_together_and_what_is_gone_is_no_failure,
    objects::a_probe_that_works_leaves_nothing,
}
