//! The clock's horizon, told by a host whose clock is wrong.

use super::*;

impl Hand {
    /// What is searched now, and nothing is found due: the latest start of a clock that is asked for.
    pub fn searched(&mut self) -> Option<Instant> {
        let searched = searched_to(&self.after(1));
        let nothing = found(self, true);
        let life = self.life();
        self.tell(Event::Due(life, Ok(nothing)));
        searched
    }
}

/// The latest start of a clock that is asked for.
fn searched_to(actions: &[Action]) -> Option<Instant> {
    actions.iter().find_map(|action| match action {
        Action::FindDue(question) => question.cutoffs.iter().map(|(_, upto)| Instant(*upto)).max(),
        _ => None,
    })
}

#[test]
fn a_clock_that_was_ahead_is_believed_no_more_once_it_is_set_right() {
    let mut hand = Hand::new();
    hand.assigned();
    let asked = hand.after(1_000);
    hand.settings_are(&asked, days_of_inactivity(&[(0, 1)]));
    let search = |hand: &mut Hand, told: i64| {
        hand.tell(Event::ClockHorizon(day(told)));
        hand.searched()
    };
    assert_eq!(search(&mut hand, 300), Some(day(299)));
    assert_eq!(
        search(&mut hand, 10),
        Some(day(9)),
        "what begins from now on is not held to be swept"
    );
    assert_eq!(search(&mut hand, 11), Some(day(10)));
}

/// The first page of a search, of which more are to come; the question for it.
fn first_page(hand: &mut Hand) -> (Life, Vec<Action>) {
    let asked = hand.after(1_000);
    hand.settings_are(&asked, days_of_inactivity(&[(0, 1)]));
    hand.tell(Event::ClockHorizon(day(30)));
    let searched = hand.after(1);
    (hand.life(), searched)
}

fn skipped(actions: &[Action]) -> Option<usize> {
    actions.iter().find_map(|action| match action {
        Action::FindDue(question) => Some(question.skip),
        _ => None,
    })
}

fn found(hand: &Hand, whole: bool) -> Read<DueEntries> {
    Read::Found {
        marker: hand.marker.expect("a build"),
        value: DueEntries {
            values: Vec::new(),
            whole,
        },
    }
}

#[test]
fn a_search_goes_on_with_the_next_page_once_one_is_judged_and_then_to_the_next_horizon() {
    let mut hand = Hand::new();
    hand.assigned();
    let (life, searched) = first_page(&mut hand);
    assert_eq!(skipped(&searched), Some(0));
    let mut skip = 0;
    for _ in 0..2 {
        let page = found(&hand, false);
        let mut asked = hand.tell(Event::Due(life, Ok(page)));
        asked.extend(hand.after(1_000));
        let judged = hand.settings_are(&asked, days_of_inactivity(&[(0, 1)]));
        let next = skipped(&judged).expect("another page");
        assert!(next > skip, "{next}");
        skip = next;
    }
    let last = found(&hand, true);
    hand.tell(Event::Due(life, Ok(last)));
    assert_eq!(
        skipped(&hand.after(1)),
        Some(0),
        "what fired moved the rest: once more from the start"
    );
}

#[test]
fn what_is_found_for_an_earlier_life_says_nothing_of_this_ones_index() {
    let mut hand = Hand::new();
    hand.assigned();
    let (before, searched) = first_page(&mut hand);
    assert_eq!(skipped(&searched), Some(0));
    let doubted = hand.tell(Event::SeekFailed(hand.at(TopicKind::InboundMessages)));
    hand.recover(doubted);
    assert_eq!(skipped(&hand.after(1)), Some(0));
    let told = hand.tell(Event::Due(before, Ok(Read::Foreign(None))));
    assert!(hand.is_running(), "{told:?}");
    let life = hand.life();
    hand.tell(Event::Due(life, Ok(Read::Foreign(None))));
    assert!(!hand.is_running(), "its own does");
}

#[test]
fn one_late_record_is_swept_for_however_timely_the_others_of_its_batch_are() {
    let mut hand = Hand::new();
    hand.assigned();
    let table = days_of_inactivity(&[(-30, 1), (-28, 180)]);
    let soon = |ms: i64| day(0).plus(ms);
    let by_the_first = day(-29).plus(-1);
    let asked = hand.after(1_000);
    hand.settings_are(&asked, table);
    hand.tell(Event::ClockHorizon(soon(500)));
    assert_eq!(hand.searched(), Some(by_the_first));
    hand.tell(Event::ClockHorizon(soon(1_600)));
    assert_eq!(hand.searched(), Some(day(-180).plus(1_600)), "all before was swept");
    for (offset, at) in [(0, soon(2_500)), (1, soon(0))] {
        let message = super::batches::message(&hand, 0, offset);
        hand.tell(Event::Record(Record {
            timestamp: Some(at.0),
            ..message
        }));
    }
    let asked = hand.after(1_000);
    let read = hand.nothing_read(0, &asked);
    assert!(step_of(read).is_none());
    let began = hand.settings_are(&asked, days_of_inactivity(&[(-30, 1), (-28, 180)]));
    let records = hand.begins(0, began);
    hand.committed(records.len());
    hand.acknowledges();
    hand.tell(Event::ClockHorizon(soon(2_700)));
    assert_eq!(hand.searched(), Some(by_the_first));
}
