//! I1 to I11: where a message goes, and what it says about it.

use super::harness::{World, day, waba};
use super::text::{inbound, show, world};
use crate::domain::chatroom::ChatroomStatus;
use crate::domain::effect::{Consequence, Unrouted};
use crate::domain::event::Sender;
use crate::domain::phone::Phone;

struct Case {
    rule: &'static str,
    settings: &'static str,
    contacts: &'static str,
    rooms: &'static str,
    messages: &'static [&'static str],
    /// What the last of the messages leads to.
    expect: &'static [&'static str],
}

fn run(case: &Case) -> (World, Vec<String>) {
    let mut world = world(case.settings, case.contacts, case.rooms);
    let mut effects = Vec::new();
    for text in case.messages {
        let (at, message) = inbound(text);
        effects = world.receive(at, message);
    }
    (world, show(&effects))
}

fn check(cases: &[Case]) {
    for case in cases {
        assert_eq!(run(case).1, case.expect, "{}", case.rule);
    }
}

#[test]
fn the_first_rule_that_finds_one_chooses() {
    check(&[
        Case {
            rule: "I1 the latest active one",
            settings: "",
            contacts: "A B",
            rooms: "1 A w1 deactivated 9, 2 B w1 active 5",
            messages: &["@40 w1"],
            expect: &["Active 2 I1 of [2, 1]"],
        },
        Case {
            rule: "I2 else the latest deactivated one, and activates it",
            settings: "",
            contacts: "A B",
            rooms: "1 A w1 deactivated 5, 2 B w1 deactivated 9, 3 C w1 expired 30",
            messages: &["@40 w1"],
            expect: &["ChatroomActivated 2 Inbound @40", "Reactivated 2 I2 of [2, 1, 3]"],
        },
        Case {
            rule: "I3 else the latest expired one, which stays so",
            settings: "",
            contacts: "!A !B",
            rooms: "1 A w1 expired 5, 2 B w1 expired 9",
            messages: &["@40 w1"],
            expect: &["Expired 2 I3 of [2, 1] NotConfigured"],
        },
        Case {
            rule: "I3 an expired contact beside an active one without a chatroom",
            settings: "",
            contacts: "!A B",
            rooms: "1 A w1 expired 5",
            messages: &["@40 w1"],
            expect: &["Expired 1 I3 of [1] NotConfigured"],
        },
        Case {
            rule: "I3 not one whose contact moved away",
            settings: "",
            contacts: "!A",
            rooms: "1 A w1 expired 5, 2 B w1 moved 9",
            messages: &["@40 w1"],
            expect: &["Expired 1 I3 of [1] NotConfigured"],
        },
        Case {
            rule: "I4 contacts, but no chatroom",
            settings: "",
            contacts: "A !B ~C",
            rooms: "2 D w1 moved 9",
            messages: &["@40 w1"],
            expect: &["NoChatroom [\"A\", \"C\"]"],
        },
        Case {
            rule: "I4 nobody that is not expired",
            settings: "",
            contacts: "!B",
            rooms: "",
            messages: &["@40 w1"],
            expect: &["NoContact []"],
        },
        Case {
            rule: "I4 an unknown org, before all else",
            settings: "none",
            contacts: "A",
            rooms: "1 A w1 active 5",
            messages: &["@40 w9 user"],
            expect: &["UnknownOrg []"],
        },
        Case {
            rule: "I4 an unknown WABA phone, before I1",
            settings: "",
            contacts: "A",
            rooms: "1 A w9 active 5",
            messages: &["@40 w9"],
            expect: &["UnknownWabaPhone []"],
        },
        Case {
            rule: "P3 a user id without a phone",
            settings: "",
            contacts: "A",
            rooms: "1 A w1 active 5",
            messages: &["@40 w1 user"],
            expect: &["NoPhone []"],
        },
        Case {
            // Silent: of two reasons the first in the rule's own list is named.
            rule: "I4 an unknown WABA phone before a user id",
            settings: "",
            contacts: "",
            rooms: "",
            messages: &["@40 w9 user"],
            expect: &["UnknownWabaPhone []"],
        },
    ]);
}

#[test]
fn those_on_the_pair_come_first_within_each_rule() {
    check(&[
        Case {
            rule: "I5 on the pair, though another is later",
            settings: "",
            contacts: "A B",
            rooms: "1 A w1 active 5, 2 B w2 active 9",
            messages: &["@40 w1"],
            expect: &["Active 1 I1 of [1, 2]"],
        },
        Case {
            rule: "I5 another WABA phone before the next rule",
            settings: "",
            contacts: "A B",
            rooms: "1 A w1 deactivated 9, 2 B w2 active 5",
            messages: &["@40 w1"],
            expect: &["Active 2 I1 of [2, 1]"],
        },
        Case {
            rule: "I5 activates on another WABA phone",
            settings: "",
            contacts: "A !B",
            rooms: "1 A w2 deactivated 9, 2 B w1 expired 20",
            messages: &["@40 w1"],
            expect: &["ChatroomActivated 1 Inbound @40", "Reactivated 1 I2 of [1, 2]"],
        },
        Case {
            rule: "I5 PAIR keeps to the pair",
            settings: "pair",
            contacts: "A B",
            rooms: "1 A w1 deactivated 9, 2 B w2 active 5",
            messages: &["@40 w1"],
            expect: &["ChatroomActivated 1 Inbound @40", "Reactivated 1 I2 of [1]"],
        },
        Case {
            rule: "I5 PAIR with none on the pair",
            settings: "pair",
            contacts: "B",
            rooms: "2 B w2 active 5",
            messages: &["@40 w1"],
            expect: &["NoChatroom [\"B\"]"],
        },
        Case {
            rule: "R8 PAIR: the contact's other chatroom gives way",
            settings: "pair",
            contacts: "A",
            rooms: "1 A w1 deactivated 9, 2 A w2 active 5",
            messages: &["@40 w1"],
            expect: &[
                "ChatroomDeactivated 2 Superseded @40",
                "ChatroomActivated 1 Inbound @40",
                "Reactivated 1 I2 of [1]",
            ],
        },
        Case {
            rule: "R8 is for contacts: an affiliate's other chatroom stays",
            settings: "pair",
            contacts: "",
            rooms: "1 - w1 deactivated 9, 2 - w2 active 5",
            messages: &["@40 w1"],
            expect: &["ChatroomActivated 1 Inbound @40", "Reactivated 1 I2 of [1]"],
        },
        Case {
            rule: "R5 active on a WABA phone no longer registered",
            settings: "",
            contacts: "A B",
            rooms: "1 A w9 active 5, 2 B w1 deactivated 9",
            messages: &["@40 w1"],
            expect: &["Active 1 I1 of [1, 2]"],
        },
        Case {
            rule: "R5 a deactivated one there is passed over, and no candidate",
            settings: "",
            contacts: "A !B",
            rooms: "1 A w9 deactivated 5, 2 B w1 expired 2",
            messages: &["@40 w1"],
            expect: &["Expired 2 I3 of [2] NotConfigured"],
        },
        Case {
            // Silent: nothing is activated or sent there, so an expired one still receives.
            rule: "R5 an expired one there still receives, the answer leaves from where it was written to",
            settings: "reply",
            contacts: "!A",
            rooms: "1 A w9 expired 5",
            messages: &["@40 w1"],
            expect: &["Expired 1 I3 of [1] Sent", "Reply 1 w1 until 41"],
        },
    ]);
}

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
fn due_timers_come_before_the_message() {
    check(&[
        Case {
            rule: "I0 inactive by now, so activated again",
            settings: "deactivate=30",
            contacts: "A",
            rooms: "1 A w1 active 5",
            messages: &["@40"],
            expect: &[
                "ChatroomDeactivated 1 Inactivity @35",
                "ChatroomActivated 1 Inbound @40",
                "Reactivated 1 I2 of [1]",
            ],
        },
        Case {
            rule: "I0 too old by now",
            settings: "expire=30",
            contacts: "A",
            rooms: "1 A w1 active 5",
            messages: &["@40"],
            expect: &[
                "ContactExpired A Age @30",
                "ChatroomExpired 1 Age @30",
                "Expired 1 I3 of [1] NotConfigured",
            ],
        },
        Case {
            rule: "I0 before an unknown WABA phone too",
            settings: "expire=30",
            contacts: "A",
            rooms: "",
            messages: &["@40 w9"],
            expect: &["ContactExpired A Age @30", "UnknownWabaPhone []"],
        },
        Case {
            rule: "A2 a message restarts the clock",
            settings: "deactivate=30",
            contacts: "A",
            rooms: "1 A w1 active 5",
            messages: &["@30 id=1", "@59 id=2"],
            expect: &["Active 1 I1 of [1]"],
        },
        Case {
            rule: "I9 a system message does not",
            settings: "deactivate=30",
            contacts: "A",
            rooms: "1 A w1 active 5",
            messages: &["@30 id=1 system", "@36 id=2"],
            expect: &[
                "ChatroomDeactivated 1 Inactivity @35",
                "ChatroomActivated 1 Inbound @36",
                "Reactivated 1 I2 of [1]",
            ],
        },
        Case {
            rule: "I8 nor does one that was sent long ago",
            settings: "deactivate=30",
            contacts: "A",
            rooms: "1 A w1 active 5",
            messages: &["@30 id=1 sent=1", "@36 id=2 sent=2"],
            expect: &[
                "ChatroomDeactivated 1 Inactivity @35",
                "ChatroomActivated 1 Inbound @36",
                "Reactivated 1 I2 of [1]",
            ],
        },
        Case {
            rule: "I8 activated by a late message, it does not flap",
            settings: "deactivate=30",
            contacts: "A",
            rooms: "1 A w1 deactivated 5",
            messages: &["@60 id=1 sent=6", "@61 id=2 sent=6", "@89 id=3 sent=7"],
            expect: &["Active 1 I1 of [1]"],
        },
        Case {
            rule: "I9 a system message activates nothing",
            settings: "",
            contacts: "A",
            rooms: "1 A w1 deactivated 5",
            messages: &["@30 system"],
            expect: &["Deactivated 1 I9 of [1]"],
        },
        Case {
            rule: "I9 and goes to an active one by I1",
            settings: "",
            contacts: "A",
            rooms: "1 A w1 active 5",
            messages: &["@30 system"],
            expect: &["Active 1 I1 of [1]"],
        },
    ]);
}

#[test]
fn an_expired_chatroom_answers_for_itself() {
    let case = |rule, settings, messages, expect| Case {
        rule,
        settings,
        contacts: "!A",
        rooms: "1 A w1 expired 5",
        messages,
        expect,
    };
    check(&[
        case(
            "I7 sent",
            "reply",
            &["@40 w2"],
            &["Expired 1 I3 of [1] Sent", "Reply 1 w2 until 41"],
        ),
        case(
            "I7 not past 24 h",
            "reply",
            &["@40 sent=38.9"],
            &["Expired 1 I3 of [1] TooOld"],
        ),
        case(
            "I7 at 24 h",
            "reply",
            &["@40 sent=39"],
            &["Expired 1 I3 of [1] Sent", "Reply 1 w1 until 40"],
        ),
        case(
            "I9 not a person, first of all",
            "",
            &["@40 sent=1 system"],
            &["Expired 1 I3 of [1] NotAPerson"],
        ),
        case(
            "I7 not configured, before too old",
            "",
            &["@40 sent=1"],
            &["Expired 1 I3 of [1] NotConfigured"],
        ),
        case(
            "I7 every message",
            "reply",
            &["@40 id=1", "@40 id=2"],
            &["Expired 1 I3 of [1] Sent", "Reply 1 w1 until 41"],
        ),
        case(
            "I7 the hour is full",
            "max=2",
            &["@40 id=1", "@40 id=2", "@40.04 id=3 sent=40"],
            &["Expired 1 I3 of [1] RateLimited"],
        ),
        case(
            "I7 too old before rate limited",
            "max=1",
            &["@40 id=1", "@40 id=2 sent=1"],
            &["Expired 1 I3 of [1] TooOld"],
        ),
        case(
            "I7 what was skipped does not count",
            "max=1",
            &["@40 id=1 sent=1", "@40 id=2"],
            &["Expired 1 I3 of [1] Sent", "Reply 1 w1 until 41"],
        ),
        case(
            "I7 full hours of decision time",
            "max=1",
            &["@40.03125 id=1", "@40.0625 id=2 sent=40"],
            &["Expired 1 I3 of [1] Sent", "Reply 1 w1 until 41"],
        ),
        case(
            "I7 not for a repeat",
            "reply",
            &["@40 id=1", "@40 id=1"],
            &["RepeatOfRouted"],
        ),
    ]);
}

#[test]
fn a_repeat_is_one_message() {
    let case = |rule, rooms, messages, expect| Case {
        rule,
        settings: "",
        contacts: "A",
        rooms,
        messages,
        expect,
    };
    check(&[
        case("I11 routed", "1 A w1 active 5", &["@40", "@40"], &["RepeatOfRouted"]),
        case(
            "I11 on another WABA phone",
            "1 A w1 active 5",
            &["@40", "@41 w2"],
            &["RepeatOfRouted"],
        ),
        case("I11 at 8 days", "1 A w1 active 5", &["@40", "@48"], &["RepeatOfRouted"]),
        case(
            "I11 forgotten",
            "1 A w1 active 5",
            &["@40", "@49"],
            &["Active 1 I1 of [1]"],
        ),
        case("I11 unrouted", "", &["@40", "@41"], &["RepeatOfUnrouted"]),
        case(
            "I11 unrouted, and routed now",
            "1 A w1 active 5",
            &["@40 w9", "@41 w1"],
            &["Active 1 I1 of [1]"],
        ),
        case(
            "I11 then once",
            "1 A w1 active 5",
            &["@40 w9", "@41", "@42"],
            &["RepeatOfRouted"],
        ),
        case("I11 of a user id", "", &["@40 user", "@41 user"], &["RepeatOfUnrouted"]),
        case(
            "I11 unrouted, and forgotten",
            "",
            &["@40", "@49"],
            &["NoChatroom [\"A\"]"],
        ),
    ]);
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
