//! One partition's index that is away, full or not ours to read: its task waits or stops, and the others go on.

use super::batches::message_from;
use super::*;
use chatroom_router::domain::phone::Phone;
use chatroom_router::domain::record::Key;

fn reads(actions: &[Action], partition: i32) -> Option<(Life, Generation, usize)> {
    actions.iter().find_map(|action| match action {
        Action::Read { life, of, keys } if life.partition == partition => Some((*life, *of, keys.len())),
        _ => None,
    })
}

fn doubted(actions: &[Action]) -> Vec<(i32, &'static str)> {
    let begun = actions.iter().filter_map(|action| match action {
        Action::Report(Report::RecoveryBegun { partition, cause }) => Some((*partition, *cause)),
        _ => None,
    });
    begun.collect()
}

fn silence(life: Life) -> Event {
    Event::Values(life, Err(Unanswered::Unavailable))
}

fn unreadable(life: Life) -> Event {
    Event::Values(life, Err(Unanswered::Unreadable("it holds a poem".to_owned())))
}

impl Hand {
    /// Two tasks, of which each has a record to judge; what is asked for it.
    fn two_at_work() -> (Self, Vec<Action>) {
        let mut hand = Self::at_work(2);
        (0..2).for_each(|partition| hand.collects(partition, 0));
        let asked = hand.after(1_000);
        (hand, asked)
    }

    fn collects(&mut self, partition: i32, offset: i64) {
        let phone = self.at_home_in(partition, offset);
        self.tell(Event::Record(message_from(self, &phone, partition, offset)));
    }

    /// One of the phones that are judged in that partition.
    fn at_home_in(&self, partition: i32, number: i64) -> String {
        let homes = self.shared.facts(partition, Uuid::nil()).homes;
        let org = OrgId::parse("nobody").expect("an id");
        let is_home = |phone: &u64| homes.partition_of(&Key::Phone(org.clone(), Phone(*phone))) == partition;
        let mut at_home = (919_812_340_000_u64..).filter(is_home);
        format!("+{}", at_home.nth(number as usize).expect("half of them"))
    }

    fn finds_nothing(&mut self, (life, of, keys): (Life, Generation, usize)) -> Vec<Action> {
        let task = self.core.tasks().find(|task| task.life == life);
        let running = task.and_then(|task| task.running());
        let offset = running.map_or(0, |running| running.overlay.acknowledged());
        let marker = Marker {
            of,
            offset,
            begun_at: 0,
            applied_until: None,
        };
        let value = vec![None; keys];
        self.tell(Event::Values(life, Ok(Read::Found { marker, value })))
    }
}

#[test]
fn a_partition_whose_index_does_not_answer_holds_no_other_up() {
    let (mut hand, asked) = Hand::two_at_work();
    hand.settings(&asked);
    hand.finds_nothing(reads(&asked, 1).expect("a question"));
    let (silent, ..) = reads(&asked, 0).expect("a question");
    let first = hand.tell(silence(silent));
    assert!(
        doubted(&first).is_empty() && step_of(first).is_none(),
        "it is asked again"
    );
    let again = hand.after(4_900);
    assert!(reads(&again, 0).is_some(), "{again:?}");
    let second = hand.tell(silence(silent));
    assert!(doubted(&second).is_empty());
    hand.after(5_000);
    let third = hand.tell(silence(silent));
    assert_eq!(doubted(&third), [(0, "index_unavailable")]);
    assert!(
        matches!(step_of(third), Some(TransactionStep::Begin)),
        "the other's record is judged"
    );
}

#[test]
fn what_one_index_does_not_take_holds_no_other_up() {
    let (mut hand, asked) = Hand::two_at_work();
    hand.core.config.overlay_max_bytes = 1;
    hand.settings(&asked);
    let begun = (0..2).map(|partition| reads(&asked, partition).expect("a question"));
    let begun: Vec<Action> = begun.flat_map(|question| hand.finds_nothing(question)).collect();
    assert!(matches!(step_of(begun), Some(TransactionStep::Begin)));
    let TransactionStep::Produce(records) = hand.step(TransactionAnswer::Begun) else {
        panic!("nothing is produced");
    };
    hand.step(TransactionAnswer::Produced);
    let lives: Vec<Life> = hand.core.tasks().map(|task| task.life).collect();
    let committed = hand.committed(records.len());
    let applied = committed.iter().filter(|action| matches!(action, Action::Apply { .. }));
    assert_eq!(applied.count(), 2, "{committed:?}");
    hand.tell(Event::Applied(lives[1], Ok(Applied::Applied)));
    (0..2).for_each(|partition| hand.collects(partition, 1));
    let full = hand.after(10);
    assert!(
        step_of(full).is_none() && doubted(&hand.after(10)).is_empty(),
        "no call has failed"
    );
    let failed = hand.tell(Event::Applied(lives[0], Err(Unanswered::Unavailable)));
    let after = hand.after(10);
    let doubts = [doubted(&failed), doubted(&after)].concat();
    assert_eq!(doubts, [(0, "index_unavailable")]);
    let asked = hand.after(1_000);
    let asked: Vec<Action> = failed.into_iter().chain(after).chain(asked).collect();
    assert!(reads(&asked, 0).is_none(), "it waits for its index");
    let begun = hand.settings(&asked);
    let read = reads(&asked, 1).map(|question| hand.finds_nothing(question));
    let begun: Vec<Action> = begun.into_iter().chain(read.into_iter().flatten()).collect();
    assert!(
        matches!(step_of(begun), Some(TransactionStep::Begin)),
        "the other goes on"
    );
}

#[test]
fn an_index_that_can_t_be_read_is_built_anew_and_stops_its_partition_if_that_does_not_help() {
    let (mut hand, asked) = Hand::two_at_work();
    hand.settings(&asked);
    let (life, before, _) = reads(&asked, 0).expect("a question");
    let found = hand.tell(unreadable(life));
    assert_eq!(doubted(&found), [(0, "index_unreadable")]);
    let rests = |action: &Action| matches!(action, Action::Pause(held) if held.iter().all(|at| at.partition == 0));
    assert!(found.iter().any(rests), "its inputs rest, and no others: {found:?}");
    hand.marker = Some(Marker {
        of: before,
        offset: 0,
        begun_at: 0,
        applied_until: Some(0),
    });
    hand.recover(found);
    let now = hand.marker.expect("a build").of;
    assert_ne!(now.generation, before.generation, "it is built anew");
    assert!(hand.is_running());

    let life = hand.life();
    let stopped = hand.tell(unreadable(life));
    let why = stop_of(&stopped).expect("it stops");
    for part in [
        "it holds a poem",
        "nothing is lost",
        "index rebuild --partition 0 --discard-index",
    ] {
        assert!(why.contains(part), "{why}");
    }
    let looked_at = hand.after(60_000);
    hand.recover(looked_at);
    assert!(hand.is_running(), "it is tried again by itself");

    hand.after(600_000);
    let life = hand.life();
    let later = hand.tell(unreadable(life));
    assert!(stop_of(&later).is_none(), "long after, it is another matter");
}

fn poem() -> Option<RecoveryAnswer> {
    Some(RecoveryAnswer::Unreadable("it holds a poem".to_owned()))
}

#[test]
fn a_marker_that_can_t_be_read_stops_its_partition_and_is_not_written_over() {
    let mut hand = Hand::new();
    let commands = hand.at(TopicKind::RouterCommands);
    let of_index = |question: &RecoveryQuestion| match question {
        RecoveryQuestion::Marker => poem(),
        RecoveryQuestion::Begin(_) => panic!("it is written over"),
        _ => None,
    };
    let asked = hand.tell(Event::Rebalance(Rebalance::Assigned(vec![commands])));
    let once = hand.recover_with(asked, of_index);
    assert!(stop_of(&once).is_none(), "it is looked at twice");
    let again = hand.after(1_000);
    let stopped = hand.recover_with(again, of_index);
    assert!(stop_of(&stopped).is_some_and(|why| why.contains("it holds a poem")));
}

#[test]
fn an_index_that_could_not_be_written_is_built_anew_even_after_a_stop() {
    let mut hand = Hand::new();
    let first = Progress::first(&hand.shared.expected, Uuid::from_u128(7));
    let of = Generation {
        incarnation: first.incarnation,
        generation: Uuid::from_u128(8),
        format: hand.shared.expected.index_format(),
    };
    (hand.high, hand.progress) = (5, Some(first));
    let marker = Marker {
        of,
        offset: 4,
        begun_at: BEGINNING_MS,
        applied_until: Some(BEGINNING_MS),
    };
    hand.marker = Some(marker);
    let of_index = |question: &RecoveryQuestion| match question {
        RecoveryQuestion::Apply { .. } => poem(),
        _ => None,
    };
    let commands = hand.at(TopicKind::RouterCommands);
    let asked = hand.tell(Event::Rebalance(Rebalance::Assigned(vec![commands])));
    hand.recover_with(asked, of_index);
    assert_eq!(hand.marker, Some(marker), "its values stand there, and are written on");
    let again = hand.after(1_000);
    let stopped = hand.recover_with(again, of_index);
    assert!(stop_of(&stopped).is_some(), "nor could another build be written");
    hand.marker = Some(marker);
    let later = hand.after(60_000);
    hand.recover(later);
    assert!(hand.is_running());
    assert_ne!(hand.marker.map(|marker| marker.of), Some(of), "it is not believed");
}

/// Whoever has written more to the index than this task has committed is its owner, or was.
#[test]
fn an_index_that_is_beyond_what_its_task_committed_is_not_believed() {
    let (mut hand, asked) = Hand::two_at_work();
    hand.settings(&asked);
    let (life, of, keys) = reads(&asked, 0).expect("a question");
    let marker = Marker {
        of,
        offset: 1,
        begun_at: 0,
        applied_until: None,
    };
    let value = vec![None; keys];
    let answered = hand.tell(Event::Values(life, Ok(Read::Found { marker, value })));
    assert_eq!(doubted(&answered), [(0, "index_ahead")]);
}

#[test]
fn an_answer_of_an_index_needs_what_was_acknowledged_when_it_was_asked_and_no_more() {
    let (mut hand, asked) = Hand::two_at_work();
    hand.settings(&asked);
    for partition in 0..2 {
        hand.finds_nothing(reads(&asked, partition).expect("a question"));
    }
    let TransactionStep::Produce(records) = hand.step(TransactionAnswer::Begun) else {
        panic!("nothing is produced");
    };
    hand.step(TransactionAnswer::Produced);
    hand.committed(records.len());
    hand.collects(0, 1);
    let asked = hand.after(1_000);
    let (life, of, keys) = reads(&asked, 0).expect("a question");
    hand.acknowledges();
    let marker = Marker {
        of,
        offset: 0,
        begun_at: 0,
        applied_until: None,
    };
    let value = vec![None; keys];
    let told = hand.tell(Event::Values(life, Ok(Read::Found { marker, value })));
    assert!(doubted(&told).is_empty(), "{told:?}");
}

#[test]
fn what_an_earlier_life_asked_is_no_answer_to_this_one() {
    let mut hand = Hand::at_work(1);
    hand.collects(0, 0);
    let (before, of, keys) = reads(&hand.after(1_000), 0).expect("a question");
    let doubted = hand.tell(Event::SeekFailed(hand.at(TopicKind::InboundMessages)));
    hand.recover(doubted);
    hand.collects(0, 0);
    let asked = hand.after(1_000);
    hand.settings(&asked);
    assert!(step_of(hand.finds_nothing((before, of, keys))).is_none());
    let begun = hand.finds_nothing(reads(&asked, 0).expect("a question"));
    assert!(matches!(step_of(begun), Some(TransactionStep::Begin)));
}
