//! Steps that can't be judged, by a fault of ours: the command is answered `FAILED` and not remembered, nothing waits for
//! it, and the same command sent again does what it should have done.

use super::script::{self, Script, passed_on, tell};
use crate::domain::effect::Consequence;
use crate::domain::event::{Body, Event, Step};
use std::collections::VecDeque;

/// Judges a line; the steps of this kind are given up.
fn failing(script: &mut Script, line: &str, fails: fn(&Step) -> bool) -> Vec<String> {
    let mut waiting = VecDeque::from([script::event(line, 90)]);
    let mut told = Vec::new();
    while let Some(event) = waiting.pop_front() {
        if let Body::Step(org, step) = &event.body
            && fails(step)
        {
            let instead = step.given_up(org).map(|step| Event {
                body: Body::Step(org.clone(), Box::new(step)),
                ..event.clone()
            });
            waiting.extend(instead);
            continue;
        }
        for effect in script.world.step(&event) {
            match &effect.what {
                Consequence::PassOn(passed) => waiting.push_back(passed_on(&event, &effect, passed)),
                _ => told.push(effect),
            }
        }
    }
    tell(&told)
}

#[test]
fn k1_what_failed_can_be_sent_again() {
    type Row = (&'static str, fn(&Step) -> bool, &'static str, &'static [&'static str]);
    let before = ["@1 upsert A p1", "@2 chatroom A w1", "@3 upsert B p3", "@3 upsert B p4"];
    let moved: &[&str] = &[
        "ChatroomExpired 2 PhoneChanged @9",
        "ContactMoved A Crm @9",
        "x Applied; A Active @1",
    ];
    let rows: [Row; 8] = [
        (
            "@8 upsert C p1 id=x",
            |step| matches!(step, Step::Upsert { .. }),
            "nothing",
            &["ContactCreated C Crm @9", "x Applied; C Active @9"],
        ),
        (
            "@8 upsert A 12 id=x",
            |step| matches!(step, Step::BadPhone { .. }),
            "nothing",
            &["DeadLetter BadPhone"],
        ),
        (
            "@8 chatroom B w1 id=x",
            |step| matches!(step, Step::CreateChatroom { .. }),
            "nothing",
            &["ChatroomCreated 5 Crm @9", "x Applied; #5 w1 Active @9"],
        ),
        (
            "@8 upsert A p2 id=x",
            |step| matches!(step, Step::Leave { .. }),
            "nothing",
            moved,
        ),
        (
            "@8 upsert A p2 id=x",
            |step| matches!(step, Step::Attach { .. }),
            "x Refused Failed; A Active @1",
            moved,
        ),
        (
            "@8 upsert A p2 id=x",
            |step| matches!(step, Step::Detach { .. }),
            "nothing",
            moved,
        ),
        (
            "@8 delete B id=x",
            |step| matches!(step, Step::Erase { .. }),
            "nothing",
            &["ContactDeleted B Crm @9", "x Applied"],
        ),
        // One of two phones was erased.
        (
            "@8 delete B id=x",
            |step| matches!(step, Step::Erase { phone, .. } if *phone == script::phone(4)),
            "nothing",
            &["ContactDeleted B Crm @9", "x Applied"],
        ),
    ];
    for (line, fails, told, again) in rows {
        let mut script = Script::new("", "");
        script.lines(&before);
        assert_eq!(failing(&mut script, line, fails), [told], "{line}");
        assert_eq!(script.lines(&[&line.replace("@8", "@9")]), again, "{line}");
        super::invariants::check(&script.world.records);
    }
}
