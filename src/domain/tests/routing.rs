//! I6, I8, I10: the order of latest, the state that follows, what a route says of itself. The rest stands in `cases`.

use super::harness::{cause, day, waba};
use super::text::{inbound, show, world};
use crate::domain::chatroom::ChatroomStatus;
use crate::domain::effect::{Consequence, Unrouted};
use crate::domain::event::{Body, Event, Sender};
use crate::domain::phone::Phone;

#[test]
fn latest_is_a_total_order() {
    let rooms = [
        (
            "I6 status change",
            "1 A w1 deactivated 5 heard=30, 2 B w1 deactivated 9",
        ),
        (
            "I6 then message",
            "1 A w1 deactivated 9, 2 B w1 deactivated 9 heard=1 created=0",
        ),
        (
            "I6 later message",
            "1 A w1 deactivated 9 heard=7, 2 B w1 deactivated 9 heard=8 created=0",
        ),
        (
            "I6 then creation",
            "1 A w1 deactivated 9 created=1, 2 B w1 deactivated 9 created=2",
        ),
        ("I6 then id", "1 A w1 deactivated 9, 2 B w1 deactivated 9"),
    ];
    for (rule, rooms) in rooms {
        for rooms in [rooms.to_owned(), rooms.split(',').rev().collect::<Vec<_>>().join(",")] {
            let mut world = world("", "A B", &rooms);
            let (at, message) = inbound("@40");
            assert_eq!(
                show(&world.receive(at, message))[1],
                "Reactivated 2 I2 of [2, 1]",
                "{rule}"
            );
        }
    }
}

#[test]
fn the_state_follows() {
    let mut world = world("", "A", "1 A w1 deactivated 5");
    let (at, mut message) = inbound("@40 sent=50");
    let Sender::Phone(from) = &mut message.from else {
        panic!()
    };
    from.spelled = Phone(99);
    world.receive(at, message);
    let entry = world.entry();
    let room = &entry.chatrooms[0];
    assert_eq!(
        (room.status, room.since, room.activated_at),
        (ChatroomStatus::Active, day(40.0), day(40.0))
    );
    assert_eq!(room.last_message_at, Some(day(40.0)), "I8 never past the decision time");
    assert_eq!(entry.spelling, Some(Phone(99)), "P2 the way it was last received");
    let (at, message) = inbound("@41 id=2 sent=39");
    world.receive(at, message);
    assert_eq!(
        world.entry().chatrooms[0].last_message_at,
        Some(day(40.0)),
        "I8 only forward"
    );
}

#[test]
fn a_route_explains_itself() {
    let mut world = world("", "A !B", "1 A w2 deactivated 5, 2 B w1 expired 9");
    let (at, message) = inbound("@40 w1");
    let effects = world.receive(at, message);
    let Consequence::Routed(routed) = &effects[1].what else {
        panic!()
    };
    assert_eq!(routed.settings_version, 1, "I10");
    assert_eq!(routed.chatroom.waba_phone, waba(2), "I5");
    assert_eq!(
        routed.chatroom.status,
        ChatroomStatus::Active,
        "the status after the decision"
    );
    let seen = &routed.candidates[0];
    assert_eq!(
        (seen.status, seen.since),
        (ChatroomStatus::Deactivated, day(5.0)),
        "and the one before it"
    );

    world.set(day(50.0), None);
    let (at, message) = inbound("@60 id=2");
    let effects = world.receive(at, message);
    let Consequence::Unrouted(Unrouted { settings_version, .. }) = &effects[0].what else {
        panic!()
    };
    // Silent: an org that was removed has no version, however long its removal is remembered.
    assert_eq!(*settings_version, None, "I10");
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let mut world = world("", "A", "1 A w1 active 5");
    let (at, message) = inbound("@40");
    world.receive(at, message.clone());
    let repeat = |at| Event {
        at,
        cause: cause(9),
        body: Body::Inbound(message.clone()),
    };
    assert_eq!(
        world.judge_unread(&repeat(at)).writes,
        [],
        "a repeat within the same millisecond"
    );
    assert_eq!(
        world.judge_unread(&repeat(day(41.0))).writes.len(),
        1,
        "a later one raises the decision time"
    );
}
