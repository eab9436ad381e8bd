//! What a worker takes, and no longer takes, while it gives partitions up or is asked to leave.

use super::batches::message;
use super::*;

fn asks_settings(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::SyncSettings(_)))
}

fn closes(actions: &[Action]) -> bool {
    let closes = |action: &Action| matches!(action, Action::Report(Report::Closed { .. }));
    actions.iter().any(closes)
}

impl Hand {
    /// Its partitions, of which the first has committed what its index has not.
    fn unsettled(partitions: i32) -> Self {
        let mut hand = Self::at_work(partitions);
        hand.tell(Event::Record(message(&hand, 0, 0)));
        let records = hand.produced();
        hand.committed(records.len());
        hand
    }

    fn revokes_the_first(&mut self) -> Vec<Action> {
        let commands = self.at(TopicKind::RouterCommands);
        self.tell(Event::Rebalance(Rebalance::Revoked(vec![commands])))
    }
}

#[test]
fn a_partition_that_is_given_up_takes_nothing_more() {
    let mut hand = Hand::unsettled(1);
    let revoked = hand.revokes_the_first();
    assert!(!closes(&revoked), "its index has not all");
    hand.tell(Event::Record(message(&hand, 0, 1)));
    let life = hand.life();
    let closed = hand.tell(Event::Applied(life, Ok(Applied::Applied)));
    assert!(closes(&closed), "{closed:?}");
    assert!(!asks_settings(&hand.after(2_000)), "a batch is made of what it took");
}

#[test]
fn no_batch_begins_while_a_partition_is_given_up() {
    let mut hand = Hand::unsettled(2);
    hand.revokes_the_first();
    hand.tell(Event::Record(message(&hand, 1, 0)));
    let life = hand.life();
    hand.after(500);
    assert!(!hand.core.is_waiting(), "it would hold the group up");
    let closed = hand.tell(Event::Applied(life, Ok(Applied::Applied)));
    assert!(closes(&closed) && hand.core.is_waiting(), "{closed:?}");
}

#[test]
fn no_batch_begins_once_the_end_is_wished_for() {
    let mut hand = Hand::at_work(1);
    hand.tell(Event::Drain);
    hand.tell(Event::Record(message(&hand, 0, 0)));
    assert!(!asks_settings(&hand.after(1_000)) && !hand.core.is_waiting());
    assert!(hand.core.is_drained());
}

/// The client may tell of the end late: after the records that came behind it.
#[test]
fn an_end_that_lies_behind_moves_no_position() {
    let mut hand = Hand::at_work(1);
    let inbound = hand.at(TopicKind::InboundMessages);
    (0..2).for_each(|offset| drop(hand.tell(Event::Record(message(&hand, 0, offset)))));
    hand.tell(Event::EndReached(inbound.at(1)));
    let records = hand.produced();
    let sent = hand.delivered(records.len());
    assert!(sent.contains(&(inbound, 2)), "{sent:?}");
}

#[test]
fn a_revocation_is_answered_once_the_transaction_has_ended() {
    let answers = |actions: &[Action]| actions.iter().any(|action| matches!(action, Action::Unassign(_)));
    let mut hand = Hand::at_work(1);
    hand.tell(Event::Record(message(&hand, 0, 0)));
    let records = hand.produced();
    // Its index has all that was committed before, so only the transaction is waited for.
    let revoked = hand.revokes_the_first();
    assert!(!answers(&revoked) && !answers(&hand.after(100)));
    let ended = hand.committed(records.len());
    let life = hand.life();
    let applied = hand.tell(Event::Applied(life, Ok(Applied::Applied)));
    assert!(answers(&ended) || answers(&applied));
}

#[test]
fn a_partition_that_was_lost_is_let_go_of_at_once() {
    let mut hand = Hand::unsettled(1);
    let commands = hand.at(TopicKind::RouterCommands);
    let lost = hand.tell(Event::Rebalance(Rebalance::Lost(vec![commands])));
    assert!(closes(&lost), "another may own it by now: {lost:?}");
}

#[test]
fn what_was_under_way_for_a_partition_that_is_given_up_is_not_folded_again_once_it_is_aborted() {
    let mut hand = Hand::at_work(1);
    hand.tell(Event::Record(message(&hand, 0, 0)));
    hand.produced();
    hand.revokes_the_first();
    hand.tell(Event::Transaction(TransactionAnswer::MustAbort("too slow".to_owned())));
    let aborted = hand.tell(Event::Transaction(TransactionAnswer::Aborted));
    assert!(closes(&aborted) && !hand.core.is_waiting(), "{aborted:?}");
}

#[test]
fn a_partition_that_is_doubted_while_it_is_given_up_commits_nothing_more() {
    let mut hand = Hand::unsettled(1);
    hand.tell(Event::Record(message(&hand, 0, 1)));
    let records = hand.produced();
    hand.revokes_the_first();
    let marker = hand.marker.expect("a build");
    let life = hand.life();
    hand.tell(Event::Applied(life, Ok(Applied::Gap(marker))));
    let delivered = (0..records.len() as i64).map(|place| Some(100 + place)).collect();
    let next = hand.step(TransactionAnswer::Flushed(delivered));
    assert!(matches!(next, TransactionStep::Abort), "{next:?}");
}

/// Only an answer to what this life asked says how far its index is applied.
#[test]
fn an_index_that_took_what_an_earlier_life_sent_has_not_taken_what_this_one_did() {
    let at = Hand::new().at(TopicKind::InboundMessages);
    let unreadable = Event::SettingsUnreadable("the settings record of acme is torn".to_owned());
    for ended in [Event::SeekFailed(at), unreadable] {
        let mut hand = Hand::unsettled(1);
        let before = hand.life();
        let mut asked = hand.tell(ended);
        asked.extend(hand.after(10_000));
        hand.recover(asked);
        assert!(hand.is_running());
        hand.tell(Event::Record(message(&hand, 0, 0)));
        let records = hand.produced();
        hand.committed(records.len());
        hand.tell(Event::Applied(before, Ok(Applied::Applied)));
        let running = hand.core.tasks().next().and_then(|task| task.running());
        let overlay = &running.expect("it runs").overlay;
        assert!(overlay.acknowledged() < overlay.committed());
    }
}
