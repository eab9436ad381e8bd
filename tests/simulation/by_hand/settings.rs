//! Settings that can't be had, or are not those that records were judged by.

use super::*;

#[test]
fn settings_that_stay_behind_what_was_judged_by_are_waited_for_and_then_stop_their_partition() {
    let mut hand = Hand::new();
    let first = Progress::first(&hand.shared.expected, Uuid::from_u128(7));
    hand.progress = Some(Progress {
        settings_next: 5,
        ..first.clone()
    });
    hand.settings_end = 5;
    hand.assigned();
    // They were created anew.
    hand.settings_end = 0;
    let mut doubted = Vec::new();
    for _ in 0..15 {
        let asked = hand.after(1_000);
        assert!(hand.is_running(), "a broker that leads no more may have been asked");
        doubted = hand.settings(&asked);
    }
    let asked = hand.after(1_000);
    doubted.extend(hand.settings(&asked));
    assert!(!hand.is_running());
    hand.recover(doubted);
    let again = hand.after(60_000);
    let stopped = hand.recover(again);
    assert!(stop_of(&stopped).is_some_and(|why| why.contains("positions accept log")));

    hand.progress = Some(first);
    let again = hand.after(60_000);
    hand.recover(again);
    assert!(hand.is_running());
}

#[test]
fn settings_that_a_batch_waits_for_in_vain_are_told_of_after_a_minute() {
    let mut hand = Hand::new();
    hand.assigned();
    let nobody_answers = |hand: &mut Hand, actions: &[Action]| {
        let asked = actions.iter().find_map(|action| match action {
            Action::SyncSettings(number) => Some(*number),
            _ => None,
        });
        let told = hand.tell(Event::Settings(asked.expect("a question"), None));
        told.iter()
            .any(|action| matches!(action, Action::Report(Report::NoProgress { .. })))
    };
    let asked = hand.after(61_000);
    assert!(!nobody_answers(&mut hand, &asked));
    let asked = hand.after(61_000);
    assert!(!nobody_answers(&mut hand, &asked), "nothing waits for them");
    let at = hand.at(TopicKind::InboundMessages).at(5);
    hand.tell(Event::EndReached(at));
    let asked = hand.after(1_000);
    assert!(nobody_answers(&mut hand, &asked));

    hand.settings(&asked);
    hand.step(TransactionAnswer::Begun);
    hand.step(TransactionAnswer::Produced);
    hand.committed(1);
    hand.after(61_000);
    let at = hand.at(TopicKind::InboundMessages).at(6);
    hand.tell(Event::EndReached(at));
    let asked = hand.after(1_000);
    assert!(!nobody_answers(&mut hand, &asked), "they could be read since");
}

#[test]
fn settings_that_cant_be_read_stop_all_that_runs_until_they_can() {
    let mut hand = Hand::new();
    hand.assigned();
    let told = hand.tell(Event::SettingsUnreadable(
        "the settings record of acme is torn".to_owned(),
    ));
    let why = stop_of(&told).expect("a stop").to_owned();
    for part in ["acme is torn", "UNKNOWN_ORG", "positions accept log --partition 0"] {
        assert!(why.contains(part), "{why}");
    }
    assert!(!hand.is_running());
    // Looked at again soon: by then they can be read.
    let again = hand.after(10_000);
    hand.recover(again);
    assert!(hand.is_running());
}
