//! The clock's horizon, told by a host whose clock is wrong.

use super::*;

impl Hand {
    /// What is searched now, and nothing is found due: the latest start of a clock that is asked for.
    pub fn searched(&mut self) -> Option<Instant> {
        let searched = searched_to(&self.after(1));
        let nothing = Read::Found {
            marker: self.marker.expect("a build"),
            value: DueEntries {
                values: Vec::new(),
                whole: true,
            },
        };
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
