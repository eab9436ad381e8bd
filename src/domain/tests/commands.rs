//! The tables of commands, a file for each group of rules.

use super::script::check;

#[test]
fn contacts_are_created_and_updated() {
    check(include_str!("cases/contacts.txt"));
}

#[test]
fn a_changed_phone_moves_the_contact() {
    check(include_str!("cases/moves.txt"));
}

#[test]
fn erasure_leaves_nothing() {
    check(include_str!("cases/erasure.txt"));
}

#[test]
fn chatrooms_open_where_the_pair_is_free() {
    check(include_str!("cases/opening.txt"));
}

#[test]
fn affiliates_reserve_their_phone() {
    check(include_str!("cases/affiliates.txt"));
}

#[test]
fn chatrooms_turn_on_request() {
    check(include_str!("cases/turning.txt"));
}

#[test]
fn agents_send_through_active_chatrooms() {
    check(include_str!("cases/outbound.txt"));
}

#[test]
fn a_request_is_one_command() {
    check(include_str!("cases/requests.txt"));
}

#[test]
fn settings_are_put_at_the_org() {
    check(include_str!("cases/settings.txt"));
}

#[test]
fn commands_of_one_contact_keep_their_order() {
    check(include_str!("cases/order.txt"));
}
