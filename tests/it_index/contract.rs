//! What every index answers, whatever it is made of.

use crate::servers::Cluster;
use crate::walk::all_of_a_build_is_handed_out;
use crate::{batch, change, clock, delete, generation, put, redis_at, shared_redis};
use chatroom_router::index::{
    Applied, Batch, Begin, Begun, Change, Due, ErrorKind, Generation, Index, Marker, Member, Op, Read, Swept,
};
use proptest::prelude::*;
use uuid::Uuid;

/// Runs each case against each kind of index.
macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $case() { super::$case(super::Index::memory()).await })*
        }
        mod redis {
            $(#[tokio::test] async fn $case() {
                let index = super::shared_redis();
                super::$case(index.clone()).await;
                super::give_back(&index).await;
            })*
        }
        #[tokio::test]
        async fn a_cluster_keeps_the_contract() {
            let cluster = Cluster::start().await;
            $($case(redis_at(&cluster.url())).await;)*
        }
    };
}

contract!(
    an_index_begins_without_a_marker,
    a_build_begins_once,
    a_batch_is_applied_once,
    a_gap_is_refused,
    another_build_is_foreign,
    an_older_build_is_forgotten,
    large_batches_and_reads_are_whole,
    of_several_operations_the_last_counts,
    the_instant_never_goes_back,
    clocks_are_ordered,
    a_clock_without_members_is_not_named,
    whoever_looks_needs_no_build,
    partitions_are_apart,
    any_bytes_are_kept,
    a_lying_batch_is_refused,
    an_older_build_is_swept,
    all_of_a_build_is_handed_out,
    it_is_fit_for_use,
);

/// Leaves next to nothing in a Redis that others use too.
async fn give_back(index: &Index) {
    begin(index, 0, 0).await;
    while index.sweep_foreign(0, 1000).await.unwrap().more {}
}

async fn begin(index: &Index, partition: i32, offset: i64) -> Generation {
    let of = generation();
    let before = index.marker(partition).await.unwrap();
    let begin = Begin {
        expected: before.map(|marker| marker.of.generation),
        of,
        offset,
        at: 5,
    };
    let begun = index.begin(partition, &begin).await.unwrap();
    assert!(matches!(begun, Begun::Begun(marker) if marker.of == of && marker.offset == offset));
    of
}

async fn apply(index: &Index, of: &Generation, batch: Batch) -> Applied {
    index.apply(0, of, &batch).await.unwrap()
}

async fn read(index: &Index, of: &Generation, keys: &[&str]) -> (i64, Vec<Option<String>>) {
    match index.read(0, of, keys).await.unwrap() {
        Read::Found { marker, value } => {
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            (marker.offset, value.into_iter().map(|value| value.map(text)).collect())
        }
        Read::Foreign(marker) => panic!("foreign: {marker:?}"),
    }
}

async fn marker(index: &Index) -> Marker {
    index.marker(0).await.unwrap().unwrap()
}

async fn due(
    index: &Index,
    of: &Generation,
    questions: &[(&str, i64, usize)],
    limit: usize,
) -> Vec<Vec<(String, i64)>> {
    let questions: Vec<_> = questions
        .iter()
        .map(|&(clock, upto, skip)| Due {
            clock: clock.as_bytes(),
            upto,
            skip,
        })
        .collect();
    let Read::Found { value, .. } = index.due(0, of, &questions, limit).await.unwrap() else {
        panic!("foreign");
    };
    let plain = |member: Member| (String::from_utf8(member.member).unwrap(), member.start);
    value
        .into_iter()
        .map(|members| members.into_iter().map(plain).collect())
        .collect()
}

async fn clocks(index: &Index, of: &Generation) -> Vec<String> {
    let Read::Found { value, .. } = index.clocks(0, of).await.unwrap() else {
        panic!("foreign");
    };
    let mut names: Vec<String> = value.into_iter().map(|name| String::from_utf8(name).unwrap()).collect();
    names.sort();
    names
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

async fn an_index_begins_without_a_marker(index: Index) {
    let of = generation();
    assert_eq!(index.marker(0).await.unwrap(), None);
    assert_eq!(index.read(0, &of, &["a"]).await.unwrap(), Read::Foreign(None));
    assert_eq!(index.due(0, &of, &[], 1).await.unwrap(), Read::Foreign(None));
    assert_eq!(index.clocks(0, &of).await.unwrap(), Read::Foreign(None));
    assert_eq!(index.read_any(0, &["a", "b"]).await.unwrap(), (None, vec![None, None]));
    let unasked: [&str; 0] = [];
    assert_eq!(index.read(0, &of, &unasked).await.unwrap(), Read::Foreign(None));
    assert_eq!(apply(&index, &of, batch(0, 9, [])).await, Applied::Foreign(None));
    let swept = index.sweep_foreign(0, 9).await.unwrap();
    assert_eq!(
        swept,
        Swept {
            removed: 0,
            more: false
        }
    );
}

async fn a_build_begins_once(index: Index) {
    let (one, other) = (generation(), generation());
    let begin = |expected: Option<Generation>, of, offset| Begin {
        expected: expected.map(|of| of.generation),
        of,
        offset,
        at: 5,
    };
    let stray = begin(Some(other), one, 3);
    assert_eq!(index.begin(0, &stray).await.unwrap(), Begun::Other(None));

    let first = begin(None, one, 3);
    let fresh = Marker {
        of: one,
        offset: 3,
        begun_at: 5,
        applied_until: None,
    };
    assert_eq!(index.begin(0, &first).await.unwrap(), Begun::Begun(fresh));
    assert_eq!(index.marker(0).await.unwrap(), Some(fresh));
    let late = begin(None, other, 0);
    assert_eq!(index.begin(0, &late).await.unwrap(), Begun::Other(Some(fresh)));

    // Asked again, for its answer was lost: it has begun, and what was applied since stays.
    assert_eq!(apply(&index, &one, batch(3, 9, [])).await, Applied::Applied);
    let moved = Marker { offset: 9, ..fresh };
    assert_eq!(index.begin(0, &first).await.unwrap(), Begun::Begun(moved));

    let next = index.begin(0, &begin(Some(one), other, 0)).await.unwrap();
    assert!(matches!(next, Begun::Begun(marker) if marker.of == other && marker.offset == 0));
    let beaten = index.begin(0, &begin(Some(one), generation(), 0)).await.unwrap();
    assert!(matches!(beaten, Begun::Other(Some(marker)) if marker.of == other));
}

async fn a_batch_is_applied_once(index: Index) {
    let of = begin(&index, 0, 10).await;
    let first = batch(
        10,
        20,
        [change(10, [put("a", "1"), put("b", "1")]), change(15, [put("a", "2")])],
    );
    let second = batch(20, 30, [change(21, [delete("b"), put("c", "3")])]);
    assert_eq!(apply(&index, &of, first.clone()).await, Applied::Applied);
    assert_eq!(
        read(&index, &of, &["a", "b", "c"]).await,
        (20, vec![some("2"), some("1"), None])
    );
    assert_eq!(apply(&index, &of, second.clone()).await, Applied::Applied);
    for late in [first, second] {
        assert_eq!(apply(&index, &of, late).await, Applied::Already);
        assert_eq!(
            read(&index, &of, &["c", "b", "a"]).await,
            (30, vec![some("3"), None, some("2")])
        );
    }
    // What overlaps the marker is whole values again, so it does no harm and takes the rest along.
    let across = batch(
        20,
        40,
        [change(21, [delete("b"), put("c", "3")]), change(35, [put("c", "4")])],
    );
    assert_eq!(apply(&index, &of, across).await, Applied::Applied);
    assert_eq!(read(&index, &of, &["c"]).await, (40, vec![some("4")]));
}

async fn a_gap_is_refused(index: Index) {
    let of = begin(&index, 0, 10).await;
    let ahead = batch(11, 12, [change(11, [put("a", "1")])]);
    let stands = marker(&index).await;
    assert_eq!(apply(&index, &of, ahead.clone()).await, Applied::Gap(stands));
    assert_eq!(read(&index, &of, &["a"]).await, (10, vec![None]));
    assert_eq!(apply(&index, &of, batch(10, 11, [])).await, Applied::Applied);
    assert_eq!(apply(&index, &of, ahead).await, Applied::Applied);
    assert_eq!(read(&index, &of, &["a"]).await, (12, vec![some("1")]));
}

async fn another_build_is_foreign(index: Index) {
    let of = begin(&index, 0, 0).await;
    apply(
        &index,
        &of,
        batch(0, 1, [change(0, [put("a", "1"), clock("c", "m", 1)])]),
    )
    .await;
    let stands = marker(&index).await;
    let others = [
        Generation {
            incarnation: Uuid::from_u128(2),
            ..of
        },
        Generation {
            generation: Uuid::new_v4(),
            ..of
        },
        Generation { format: 2, ..of },
    ];
    let question = Due {
        clock: b"c",
        upto: 9,
        skip: 0,
    };
    for other in others {
        assert_eq!(
            apply(&index, &other, batch(1, 2, [])).await,
            Applied::Foreign(Some(stands))
        );
        assert_eq!(
            index.read(0, &other, &["a"]).await.unwrap(),
            Read::Foreign(Some(stands))
        );
        assert_eq!(
            index.due(0, &other, &[question], 1).await.unwrap(),
            Read::Foreign(Some(stands))
        );
        assert_eq!(index.clocks(0, &other).await.unwrap(), Read::Foreign(Some(stands)));
    }
    assert_eq!(marker(&index).await, stands);
}

async fn an_older_build_is_forgotten(index: Index) {
    let old = begin(&index, 0, 0).await;
    let filled = batch(0, 1, [change(0, [put("a", "1"), clock("c", "m", 1)])]);
    apply(&index, &old, filled).await;
    let new = begin(&index, 0, 0).await;
    assert_eq!(read(&index, &new, &["a"]).await, (0, vec![None]));
    assert!(clocks(&index, &new).await.is_empty());
    let stands = marker(&index).await;
    assert_eq!(
        apply(&index, &old, batch(1, 2, [])).await,
        Applied::Foreign(Some(stands))
    );
}

async fn large_batches_and_reads_are_whole(index: Index) {
    let of = begin(&index, 0, 0).await;
    let names: Vec<String> = (0..5000).map(|n| format!("key-{n}")).collect();
    let put_one =
        |(n, name): (usize, &String)| change(n as i64, [put(name, n.to_string()), clock("all", name, n as i64)]);
    let mut changes: Vec<Change> = names.iter().enumerate().map(put_one).collect();
    // One record may do more than a call takes.
    let many: Vec<Op> = names.iter().skip(1).step_by(2).map(|name| delete(name)).collect();
    changes.push(change(5000, many));
    let late: Vec<Op> = names.iter().map(|name| clock("late", name, 1)).collect();
    changes.push(change(5001, late));
    assert_eq!(
        apply(&index, &of, batch(0, 6000, changes.clone())).await,
        Applied::Applied
    );
    assert_eq!(apply(&index, &of, batch(0, 6000, changes)).await, Applied::Already);

    // Backwards, and one of them twice.
    let mut wanted: Vec<&str> = names.iter().rev().map(String::as_str).collect();
    wanted.push("key-0");
    let (offset, values) = read(&index, &of, &wanted).await;
    assert_eq!((offset, values.len()), (6000, 5001));
    for (key, value) in wanted.iter().zip(values) {
        let n: usize = key["key-".len()..].parse().unwrap();
        assert_eq!(value, n.is_multiple_of(2).then(|| n.to_string()), "{key}");
    }
    let [all] = &due(&index, &of, &[("all", 4998, 10)], 9000).await[..] else {
        panic!()
    };
    assert_eq!((all.len(), all[0].1, all[4988].1), (4989, 10, 4998));
    let questions = vec![("late", 1, 4990); 250];
    let late = due(&index, &of, &questions, 100).await;
    assert!(late.len() == 250 && late.iter().all(|members| members.len() == 10));
}

async fn of_several_operations_the_last_counts(index: Index) {
    let of = begin(&index, 0, 0).await;
    let ops = [
        put("a", "1"),
        delete("a"),
        put("b", "1"),
        delete("b"),
        put("b", "2"),
        delete("never"),
        clock("c", "x", 1),
        clock("c", "x", None),
        clock("c", "y", None),
        clock("c", "y", 2),
        clock("d", "z", 1),
        clock("d", "z", None),
    ];
    apply(&index, &of, batch(0, 1, [change(0, ops)])).await;
    assert_eq!(
        read(&index, &of, &["a", "b", "never"]).await,
        (1, vec![None, some("2"), None])
    );
    assert_eq!(
        due(&index, &of, &[("c", 9, 0), ("d", 9, 0)], 9).await,
        [vec![("y".to_owned(), 2)], vec![]]
    );
    assert_eq!(clocks(&index, &of).await, ["c"]);
}

async fn the_instant_never_goes_back(index: Index) {
    let of = begin(&index, 0, 0).await;
    let at = |from, to, until| Batch {
        applied_until: until,
        ..batch(from, to, [])
    };
    assert_eq!(marker(&index).await.needs_tombstones_since(), 5);
    for (step, until, outcome) in [
        (at(0, 4, None), None, Applied::Applied),
        (at(4, 8, Some(70)), Some(70), Applied::Applied),
        (at(8, 9, None), Some(70), Applied::Applied),
        (at(9, 10, Some(60)), Some(70), Applied::Applied),
        // Nothing new came, and this is known up to a later instant.
        (at(10, 10, Some(80)), Some(80), Applied::Already),
        (at(10, 10, Some(75)), Some(80), Applied::Already),
        // Who isn't the latest doesn't know.
        (at(8, 9, Some(90)), Some(80), Applied::Already),
    ] {
        assert_eq!(apply(&index, &of, step).await, outcome);
        assert_eq!(marker(&index).await.applied_until, until);
    }
    assert!(marker(&index).await.is_complete());
    let stands = marker(&index).await;
    assert_eq!((stands.needs_tombstones_since(), stands.offset), (80, 10));
    assert_eq!(apply(&index, &of, at(11, 11, Some(99))).await, Applied::Gap(stands));
    begin(&index, 0, 0).await;
    assert!(!marker(&index).await.is_complete());
}

async fn clocks_are_ordered(index: Index) {
    let of = begin(&index, 0, 0).await;
    let now = 1_790_000_000_123;
    let ops = [
        clock("idle:acme", "c", now),
        clock("idle:acme", "a", now + 1),
        clock("idle:acme", "b", now + 1),
        clock("idle:acme", "z", -7),
        clock("idle:umbrella", "u", 3),
    ];
    apply(&index, &of, batch(0, 1, [change(0, ops)])).await;
    let all = [("z", -7), ("c", now), ("a", now + 1), ("b", now + 1)].map(|(name, start)| (name.to_owned(), start));
    assert_eq!(
        due(&index, &of, &[("idle:acme", i64::MAX, 0)], usize::MAX).await,
        [all.to_vec()]
    );
    assert_eq!(due(&index, &of, &[("idle:acme", now, 0)], 9).await, [all[..2].to_vec()]);
    assert_eq!(
        due(&index, &of, &[("idle:acme", now + 1, 0)], 3).await,
        [all[..3].to_vec()]
    );
    assert_eq!(
        due(&index, &of, &[("idle:acme", now + 1, 2)], 9).await,
        [all[2..].to_vec()]
    );
    assert_eq!(
        due(&index, &of, &[("idle:acme", now, 9), ("none", 9, 0)], 9).await,
        [vec![], vec![]]
    );
    assert_eq!(due(&index, &of, &[("idle:acme", now, 0)], 0).await, [vec![]]);
    assert!(due(&index, &of, &[], 9).await.is_empty());
    let later = batch(
        1,
        2,
        [change(
            1,
            [clock("idle:acme", "z", now + 2), clock("idle:acme", "c", None)],
        )],
    );
    apply(&index, &of, later).await;
    let [left] = &due(&index, &of, &[("idle:acme", i64::MAX, 0)], 9).await[..] else {
        panic!()
    };
    assert_eq!(left.iter().map(|(name, _)| name.as_str()).collect::<String>(), "abz");
}

async fn a_clock_without_members_is_not_named(index: Index) {
    let of = begin(&index, 0, 0).await;
    let ops = [
        clock("one", "a", 1),
        clock("one", "b", 1),
        clock("two", "a", 1),
        clock("three", "a", None),
    ];
    apply(&index, &of, batch(0, 1, [change(0, ops)])).await;
    assert_eq!(clocks(&index, &of).await, ["one", "two"]);
    let ops = [clock("one", "a", None), clock("two", "a", None)];
    apply(&index, &of, batch(1, 2, [change(1, ops)])).await;
    assert_eq!(clocks(&index, &of).await, ["one"]);
    apply(&index, &of, batch(2, 3, [change(2, [clock("two", "c", 1)])])).await;
    assert_eq!(clocks(&index, &of).await, ["one", "two"]);
}

async fn whoever_looks_needs_no_build(index: Index) {
    let of = begin(&index, 0, 0).await;
    apply(&index, &of, batch(0, 7, [change(0, [put("a", "1")])])).await;
    let (marker, values) = index.read_any(0, &["b", "a"]).await.unwrap();
    assert_eq!(marker.map(|marker| (marker.of, marker.offset)), Some((of, 7)));
    assert_eq!(values, [None, Some(b"1".to_vec())]);
}

async fn partitions_are_apart(index: Index) {
    let one = begin(&index, 1, 0).await;
    let other = begin(&index, 11, 0).await;
    let filled = batch(0, 1, [change(0, [put("a", "1")])]);
    index.apply(1, &one, &filled).await.unwrap();
    let there = index.read(11, &other, &["a"]).await.unwrap();
    assert!(matches!(there, Read::Found { value, .. } if value == [None]));
    assert!(matches!(
        index.read(11, &one, &["a"]).await.unwrap(),
        Read::Foreign(Some(_))
    ));
}

async fn any_bytes_are_kept(index: Index) {
    let of = begin(&index, 0, 0).await;
    let odd: Vec<Vec<u8>> = vec![
        vec![],
        vec![0],
        b"\r\n$5\r\n".to_vec(),
        (0..=255).collect(),
        b"{x}:*?[a]\xff".to_vec(),
    ];
    let mut ops: Vec<Op> = odd.iter().map(|bytes| put(bytes, bytes)).collect();
    let large = vec![7; 3 << 20];
    ops.push(put("large", &large));
    ops.push(Op::Clock {
        clock: odd[3].clone(),
        member: odd[2].clone(),
        start: Some(1 << 53),
    });
    apply(&index, &of, batch(0, 1, [change(0, ops)])).await;
    let Read::Found { value, .. } = index.read(0, &of, &odd).await.unwrap() else {
        panic!()
    };
    assert_eq!(value.into_iter().map(Option::unwrap).collect::<Vec<_>>(), odd);
    let Read::Found { value, .. } = index.read(0, &of, &["large"]).await.unwrap() else {
        panic!()
    };
    assert!(value[0].as_ref() == Some(&large));
    let Read::Found { value, .. } = index.clocks(0, &of).await.unwrap() else {
        panic!()
    };
    assert_eq!(value, [odd[3].clone()]);
    let question = Due {
        clock: &odd[3],
        upto: i64::MAX,
        skip: 0,
    };
    let Read::Found { value, .. } = index.due(0, &of, &[question], 9).await.unwrap() else {
        panic!()
    };
    assert_eq!(
        value,
        [[Member {
            member: odd[2].clone(),
            start: 1 << 53
        }]]
    );
}

async fn a_lying_batch_is_refused(index: Index) {
    let of = begin(&index, 0, 0).await;
    let lying = batch(0, 5, [change(5, [put("a", "1")])]);
    let error = index.apply(0, &of, &lying).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retriable()), (ErrorKind::Misuse, false));
}

async fn an_older_build_is_swept(index: Index) {
    let old = begin(&index, 0, 0).await;
    let fill = |n: i64| {
        let ops = [put(format!("k{n}"), "v"), clock(&format!("c{n}"), "m", 1)];
        change(n, ops)
    };
    apply(&index, &old, batch(0, 40, (0..40).map(fill).collect::<Vec<_>>())).await;
    assert!(!index.sweep_foreign(0, 9).await.unwrap().more);
    assert_eq!(clocks(&index, &old).await.len(), 40);

    let new = begin(&index, 0, 0).await;
    apply(&index, &new, batch(0, 40, (0..40).map(fill).collect::<Vec<_>>())).await;
    for _ in 0..20 {
        if !index.sweep_foreign(0, 9).await.unwrap().more {
            break;
        }
    }
    assert_eq!(
        index.sweep_foreign(0, 9).await.unwrap(),
        Swept {
            removed: 0,
            more: false
        }
    );
    assert_eq!(clocks(&index, &new).await.len(), 40);
    assert_eq!(
        read(&index, &new, &["k0", "k39"]).await,
        (40, vec![some("v"), some("v")])
    );
}

async fn it_is_fit_for_use(index: Index) {
    index.check().await.unwrap();
    index.handle().check().await.unwrap();
}

fn any_op() -> impl Strategy<Value = Op> {
    let key = || prop::sample::select(vec!["a", "b", "c", "d"]);
    prop_oneof![
        (key(), "[a-z]{0,4}").prop_map(|(key, value)| put(key, value)),
        key().prop_map(delete),
        (key(), key(), prop::option::of(0..9i64)).prop_map(|(name, member, start)| clock(name, member, start)),
    ]
}

/// Records of one offset each, and where the stretch is cut into batches.
fn any_history() -> impl Strategy<Value = (Vec<Vec<Op>>, Vec<(usize, usize)>)> {
    let records = prop::collection::vec(prop::collection::vec(any_op(), 0..6), 1..30);
    let stretches = prop::collection::vec((0..30usize, 0..30usize), 1..20);
    (records, stretches)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_twins_agree((records, stretches) in any_history()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (memory, redis) = (Index::memory(), shared_redis());
            let of = begin(&memory, 0, 0).await;
            let first = Begin { expected: None, of, offset: 0, at: 5 };
            redis.begin(0, &first).await.unwrap();
            for (from, length) in stretches {
                let (from, to) = (from.min(records.len()), (from + length).min(records.len()));
                let changes: Vec<Change> = (from..to).map(|n| change(n as i64, records[n].clone())).collect();
                let next = Batch { applied_until: Some(to as i64), ..batch(from as i64, to as i64, changes) };
                assert_eq!(apply(&memory, &of, next.clone()).await, apply(&redis, &of, next).await);
            }
            let keys = ["a", "b", "c", "d"];
            assert_eq!(memory.marker(0).await.unwrap(), redis.marker(0).await.unwrap());
            assert_eq!(read(&memory, &of, &keys).await, read(&redis, &of, &keys).await);
            assert_eq!(clocks(&memory, &of).await, clocks(&redis, &of).await);
            let questions = keys.map(|name| (name, 7, 1));
            assert_eq!(due(&memory, &of, &questions, 3).await, due(&redis, &of, &questions, 3).await);
        });
    }
}
