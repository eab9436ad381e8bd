//! Readers against a ring: who goes on where, and what is let go.

use super::*;

const BOUNDS: Bounds = Bounds {
    bytes: 100_000,
    age_ms: 600_000,
};
const NOW: i64 = 1_800_000_000_000;

fn org(name: &str) -> OrgId {
    OrgId::parse(name).unwrap()
}

fn event(partition: usize, offset: u64, published: i64) -> Event {
    Event {
        at: Place { topic: 0, partition },
        offset,
        published,
        chatroom: Some(format!("room-{partition}").into()),
        agent: None,
        frame: Bytes::from_static(b"event: routed\ndata: {}\n\n"),
    }
}

/// A ring into which acme's events were read from two partitions in this order.
fn ring(order: &[(usize, u64)]) -> Ring {
    let ring = Ring::new(BOUNDS);
    ring.begin(&Positions::default());
    for (partition, offset) in order {
        ring.push(&org("acme"), event(*partition, *offset, NOW), NOW);
    }
    ring
}

/// All that there is for it, as a stream hands it out: positions of what was handed out, then of all.
fn read(ring: &Ring, cursor: &mut Cursor) -> Vec<(usize, u64)> {
    let portion = ring.take(cursor);
    assert!(portion.is_all && !portion.is_torn);
    for event in &portion.events {
        cursor.positions.advance(event.at, event.offset + 1);
    }
    ring.settle(cursor);
    portion
        .events
        .iter()
        .map(|event| (event.at.partition, event.offset))
        .collect()
}

fn open(ring: &Ring, from: Option<&Positions>) -> Option<Cursor> {
    match from {
        Some(from) => ring.open(&org("acme"), Filter::default(), from),
        None => Some(ring.begin_at_present(&org("acme"), Filter::default())),
    }
}

/// Two processes read the partitions each in an order of its own.
#[test]
fn a_reader_goes_on_at_another_process_with_neither_gap_nor_repeat() {
    let order = [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)];
    let other_order = [(1, 0), (1, 1), (1, 2), (0, 0), (0, 1), (0, 2)];
    for read_before in 0..=order.len() {
        let mut positions = Positions::default();
        for (partition, offset) in &order[..read_before] {
            positions.advance(
                Place {
                    topic: 0,
                    partition: *partition,
                },
                offset + 1,
            );
        }
        let id = positions.id(5);
        let other = ring(&other_order);
        let mut cursor = open(&other, Positions::parse(&id, 5).as_ref()).unwrap();
        let mut all = [&order[..read_before], &read(&other, &mut cursor)].concat();
        all.sort_unstable();
        assert_eq!(all, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)], "{read_before}");
    }
}

#[test]
fn a_process_that_lags_behind_the_id_repeats_nothing() {
    let lagging = ring(&[(0, 0)]);
    let mut ahead = Positions::default();
    ahead.advance(Place { topic: 0, partition: 0 }, 2);
    let mut cursor = open(&lagging, Some(&ahead)).unwrap();
    lagging.push(&org("acme"), event(0, 1, NOW), NOW);
    assert_eq!(read(&lagging, &mut cursor), []);
    lagging.push(&org("acme"), event(0, 2, NOW), NOW);
    assert_eq!(read(&lagging, &mut cursor), [(0, 2)]);
}

#[test]
fn without_an_id_a_reader_begins_at_the_present() {
    let ring = ring(&[(0, 0), (1, 0)]);
    let mut cursor = open(&ring, None).unwrap();
    assert_eq!(read(&ring, &mut cursor), []);
    ring.push(&org("acme"), event(1, 1, NOW), NOW);
    ring.push(&org("umbrella"), event(1, 2, NOW), NOW);
    assert_eq!(read(&ring, &mut cursor), [(1, 1)]);
    assert_eq!(
        cursor.positions.at(Place { topic: 0, partition: 1 }),
        3,
        "another org's are passed"
    );
}

#[test]
fn a_filter_lets_only_its_chatroom_through() {
    let ring = ring(&[]);
    let filter = Filter {
        chatroom: Some("room-1".into()),
        agent: None,
    };
    let mut cursor = ring.begin_at_present(&org("acme"), filter);
    for (partition, offset) in [(0, 0), (1, 0), (0, 1)] {
        ring.push(&org("acme"), event(partition, offset, NOW), NOW);
    }
    assert_eq!(read(&ring, &mut cursor), [(1, 0)]);
}

#[test]
fn what_is_older_than_the_window_is_a_gap_only_for_who_lacks_it() {
    let ring = ring(&[]);
    ring.push(&org("acme"), event(0, 0, NOW - 599_000), NOW);
    ring.push(&org("acme"), event(0, 1, NOW), NOW);
    ring.age(NOW + 2_000);
    assert!(open(&ring, Some(&Positions::default())).is_none());
    let mut has_it = Positions::default();
    has_it.advance(Place { topic: 0, partition: 0 }, 1);
    let mut cursor = open(&ring, Some(&has_it)).unwrap();
    assert_eq!(read(&ring, &mut cursor), [(0, 1)]);
}

#[test]
fn the_bytes_are_bounded_and_a_reader_that_they_ran_away_from_is_told() {
    let ring = Ring::new(Bounds { bytes: 2_000, ..BOUNDS });
    ring.begin(&Positions::default());
    let mut cursor = open(&ring, None).unwrap();
    for offset in 0..1_000 {
        ring.push(&org("acme"), event(0, offset, NOW), NOW);
    }
    assert!(ring.bytes() <= 2_000, "{}", ring.bytes());
    assert!(ring.take(&mut cursor).is_torn);
    assert_eq!(read(&ring, &mut cursor), []);
    ring.begin(&ring.head());
    assert!(ring.take(&mut cursor).is_torn, "all was forgotten");
    assert_eq!(ring.bytes(), 0);
}

#[tokio::test]
async fn news_wakes_who_waits_for_it() {
    let ring = ring(&[]);
    let mut cursor = open(&ring, None).unwrap();
    ring.push(&org("acme"), event(0, 0, NOW), NOW);
    cursor.news().await;
    assert_eq!(read(&ring, &mut cursor), [(0, 0)]);
    drop(cursor);
    ring.age(NOW + 700_000);
    assert!(ring.locked().orgs.is_empty(), "an org that nobody reads takes nothing");
}
