//! What the tables don't show: limits, what events and settings carry, what is left after an erasure.

use super::harness::{CUSTOMER, World, crm, day, org, phone_key};
use super::script::{self, Script, phone, tell};
use super::text::{contacts, rooms, settings};
use crate::domain::directory::{ChatroomRecord, Directory, MAX_WAITING};
use crate::domain::effect::{AcceptedSettings, Consequence, Effect, Lifecycle};
use crate::domain::entry::Entry;
use crate::domain::event::Step;
use crate::domain::memory::RECENT;
use crate::domain::record::{Key, Record};
use crate::domain::settings::{DAYS_CHANGES_KEPT, Days};
use std::sync::Arc;

fn events(effects: &[Effect]) -> Vec<&Lifecycle> {
    effects
        .iter()
        .filter_map(|effect| match &effect.what {
            Consequence::Lifecycle(event) => Some(event.as_ref()),
            _ => None,
        })
        .collect()
}

fn held_by(contacts_text: &str) -> Script {
    Script::new("", contacts_text)
}

#[test]
fn k3_of_what_waits_the_65th_is_busy_and_not_remembered() {
    let mut script = Script::new("", "");
    script.line("@1 upsert A p1");
    script.line("& @2 upsert A p2");
    for n in 0..MAX_WAITING {
        script.line(&format!("& @2 upsert A p2 first=n{n}"));
    }
    let told = script.lines(&["@2 upsert A p2 first=last id=x"]);
    assert_eq!(told[0], "x Refused Busy");
    assert_eq!(told.len(), 1 + 2 + 2 * MAX_WAITING, "all others in their order");
    let again = script.lines(&["@3 upsert A p2 first=last id=x"]);
    assert_eq!(again[1], "x Applied; A Active @1");
}

#[test]
fn r9_a_phone_holds_a_thousand_that_are_not_expired() {
    let many: Vec<String> = (0..1000).map(|n| format!("C{n}")).collect();
    let mut full = held_by(&many.join(" "));
    assert_eq!(full.lines(&["@1 upsert A p78"]), ["r1 Refused PhoneFull"]);
    assert_eq!(
        full.lines(&["@1 upsert A p1", "@2 upsert A p78"]),
        ["r3 Refused PhoneFull; A Active @1"]
    );
    // Whoever is expired takes no room, also who is so from the beginning.
    full.line("@3 put expire=30");
    assert_eq!(
        full.lines(&["@4 upsert B p78 created=-90"])[1],
        "ContactExpired B Age @4"
    );
    let mut roomy = held_by(&format!("!X {}", many[1..].join(" ")));
    assert_eq!(roomy.lines(&["@1 upsert A p78"])[1], "r1 Applied; A Active @1");

    let closed: Vec<String> = (5000..6000).map(|n| format!("{n} C{n} w2 deactivated 0")).collect();
    let mut full = held_by("A");
    full.world.records.insert(
        phone_key(),
        Arc::new(Record::Entry(Entry {
            contacts: contacts("A").into(),
            chatrooms: rooms(&closed.join(",")),
            ..Entry::default()
        })),
    );
    let (key, directory) = directory_of("A");
    full.world.records.insert(key, directory);
    assert_eq!(full.lines(&["@1 chatroom A w1"]), ["r1 Refused PhoneFull"]);
}

#[test]
fn a1_all_that_follows_from_a_command_carries_its_request() {
    let mut script = Script::new("", "");
    for line in [
        "@1 upsert A p1 api",
        "@2 chatroom A w1",
        "@3 chatroom A w2 anew api",
        "@4 activate #2",
        "@5 upsert A p2",
        "@6 chatroom A w1",
        "@7 delete A api",
    ] {
        let told = script.line(line);
        assert!(!events(&told).is_empty());
        let request = line.as_bytes()[1] - b'0';
        for event in events(&told) {
            let carried = event.request.as_ref().map(|request| request.to_string());
            assert_eq!(carried, Some(format!("r{request}")), "{event:?}");
        }
    }
    // What follows from a timer carries none.
    let mut aging = Script::new("expire=30", "");
    aging.lines(&["@1 upsert A p1", "@2 chatroom A w1"]);
    assert!(
        events(&aging.line("@40 activate #2"))
            .iter()
            .all(|event| event.request.is_none())
    );
}

#[test]
fn a_chatroom_is_called_as_given_else_after_the_contact() {
    let rows = [
        (
            "@1 upsert A p1 first=Asha last=Rao",
            "@2 chatroom A w1 name=Deal ref=d9",
            "Deal",
            Some("d9"),
        ),
        (
            "@1 upsert A p1 first=Asha last=Rao",
            "@2 chatroom A w1",
            "Asha Rao",
            None,
        ),
        ("@1 upsert A p1 last=Rao", "@2 chatroom A w1", "Rao", None),
        ("@1 upsert A p1", "@2 chatroom A w1", "A", None),
        ("@1 upsert A p2", "@2 affiliate p1 w1 name=Office", "Office", None),
        // Silent: without a contact there is no name to take; no phone may stand in an event.
        ("@1 upsert A p2", "@2 affiliate p1 w1", "Affiliate", None),
    ];
    for (contact, chatroom, name, reference) in rows {
        let mut script = Script::new("", "");
        script.line(contact);
        let told = script.line(chatroom);
        let created = events(&told)[0].created.clone().unwrap();
        assert_eq!(&*created.display_name, name, "{chatroom}");
        assert_eq!(
            created.external_ref_id.as_ref().map(|id| id.as_str()),
            reference,
            "{chatroom}"
        );
    }
}

fn put(world: &mut World, line: &str) -> Option<AcceptedSettings> {
    let event = script::event(line, world.events + 1);
    world.events += 1;
    world.step(&event).into_iter().find_map(|effect| match effect.what {
        Consequence::Settings(accepted) => Some(*accepted),
        _ => None,
    })
}

#[test]
fn a5_settings_carry_the_changes_of_days_before_them() {
    let mut world = World::default();
    let first = put(&mut world, "@1 put deactivate=30").unwrap();
    assert_eq!(
        (first.changes, first.content),
        (vec![], Some(settings("deactivate=30")))
    );
    world.set(day(1.0), Some(settings("deactivate=30")));
    world.set(day(2.0), None);
    let back = put(&mut world, "@3 put deactivate=30").unwrap();
    let days: Vec<Days> = back.changes.iter().map(|change| change.days).collect();
    assert_eq!(
        days,
        [settings("deactivate=30").days, Days::default()],
        "removed: days off"
    );
    let gone = put(&mut world, "@4 put none");
    assert_eq!(gone, None, "it is removed already");

    // Where the days stayed as they were nothing changed, whoever wrote it down.
    let mut history = world.settings.clone().unwrap();
    let again = history.changes[1];
    history.changes.push(again);
    world.settings = Some(history);
    assert_eq!(put(&mut world, "@5 put deactivate=7").unwrap().changes, back.changes);

    for n in 0..100_u32 {
        world.set(
            day(10.0 + f64::from(n)),
            Some(settings(&format!("deactivate={}", n + 1))),
        );
    }
    let many = put(&mut world, "@200 put").unwrap();
    assert_eq!(many.changes.len(), DAYS_CHANGES_KEPT);
    assert_eq!(many.changes.last().unwrap().days.deactivate_after, Some(100));
}

/// An entry with so many expired chatrooms that most are archived, each with its own record.
fn archived() -> Script {
    let mut script = held_by("!A B");
    let many: Vec<String> = (1..=200)
        .map(|n| format!("{n} A w1 expired {}", f64::from(n) / 1000.0))
        .collect();
    let entry = Entry {
        contacts: contacts("!A B").into(),
        chatrooms: rooms(&many.join(",")),
        ..Entry::default()
    };
    for room in &entry.chatrooms {
        let pointer = ChatroomRecord {
            phone: Some(CUSTOMER),
            ..ChatroomRecord::default()
        };
        let key = Key::Chatroom(org(), room.id.into());
        script.world.records.insert(key, Arc::new(Record::Chatroom(pointer)));
    }
    script
        .world
        .draft(day(1.0), |draft| draft.put_entry(&phone_key(), entry).unwrap());
    assert!(script.world.entry().archived > 0);
    script
}

#[test]
fn a_chatroom_in_the_archive_is_found() {
    let mut script = archived();
    let told = script.lines(&["@2 activate #1 id=x"]);
    assert_eq!(told, ["x Refused ChatroomExpired; #1 w1 Expired @0.001"]);
    let told = script.lines(&["@2 activate #1 id=x"]);
    assert_eq!(told, ["x Duplicate of Refused ChatroomExpired; #1 w1 Expired @0.001"]);
}

#[test]
fn c5_erasure_reaches_the_archive() {
    let mut script = archived();
    let (key, directory) = directory_of("A");
    script.world.records.insert(key, directory);
    assert_eq!(
        script.lines(&["@3 delete A"]),
        ["ContactDeleted A Crm @3", "r1 Applied"]
    );
    assert_eq!(script.lines(&["@4 send #1"]), ["r2 Refused ChatroomNotFound"]);
    let keys: Vec<&Key> = script.world.records.keys().collect();
    let left = |key: &&&Key| matches!(key, Key::Chatroom(..) | Key::Archive(..));
    assert_eq!(
        keys.iter().filter(left).count(),
        1,
        "only the request that was just refused: {keys:?}"
    );
}

/// One that says that the contact stands under p78.
fn directory_of(name: &str) -> (Key, Arc<Record>) {
    let mut script = Script::new("", "");
    script.line(&format!("@0 upsert {name} p78 id=first"));
    let key = Key::Contact(org(), crm(name));
    let record = script.world.records[&key].clone();
    (key, record)
}

#[test]
fn c5_erasure_leaves_the_tombstone_alone() {
    let mut script = Script::new("", "");
    script.lines(&[
        "@1 upsert A p1 first=Asha",
        "@2 chatroom A w1 name=Asha",
        "@3 upsert A p2 last=Rao",
        "@4 chatroom A w2",
        "@5 chatroom A w2 anew",
        "@6 delete A",
    ]);
    let records: Vec<(&Key, &Record)> = script
        .world
        .records
        .iter()
        .map(|(key, record)| (key, &**record))
        .collect();
    assert_eq!(records.len(), 1, "{records:?}");
    let Record::Directory(directory) = records[0].1 else {
        panic!("{records:?}");
    };
    let tombstone = Directory {
        erased: true,
        decided_at: directory.decided_at,
        requests: directory.requests.clone(),
        ..Directory::default()
    };
    assert_eq!(*directory, tombstone);
}

#[test]
fn c5_of_messages_only_hashes_stay() {
    let mut script = Script::new("", "");
    script.lines(&[
        "@1 upsert A p1",
        "@2 chatroom A w1",
        "@3 message p1 w1 id=7",
        "@4 delete A",
    ]);
    let key = Key::Phone(org(), phone(1));
    let Some(Record::Entry(entry)) = script.world.records.get(&key).map(|record| &**record) else {
        panic!("I11 still needs it");
    };
    let bare = Entry {
        decided_at: entry.decided_at,
        messages: entry.messages.clone(),
        ..Entry::default()
    };
    assert_eq!(*entry, bare);
    assert_eq!(script.lines(&["@5 message p1 w1 id=7"]), ["RepeatOfRouted"], "I11");
}

/// However long a step takes, a move that began ends, though its request is forgotten by then.
#[test]
fn k2_a_move_outlives_the_memory_of_its_request() {
    let mut script = Script::new("", "");
    script.line("@1 upsert A p1");
    let event = script::event("@2 upsert A p2 id=x", 99);
    let mut steps: Vec<_> = script.world.step(&event);
    while let Some(effect) = steps.pop() {
        if let Consequence::PassOn(passed) = &effect.what {
            let mut later = script::passed_on(&event, &effect, passed);
            later.at = later.at.max(day(50.0));
            steps.extend(script.world.step(&later));
        }
    }
    assert_eq!(script.lines(&["@51 upsert A p2 id=x"]), ["x Unchanged; A Active @1"]);
}

#[test]
fn k2_many_requests_of_one_contact_are_remembered() {
    let mut script = Script::new("", "");
    for n in 0..RECENT * 3 {
        script.line(&format!("@1 upsert A p1 first=n{n} id=x{n}"));
    }
    assert_eq!(
        script.lines(&["@2 upsert A p1 id=x0"]),
        ["x0 Duplicate of Applied; A Active @1"]
    );
}

#[test]
fn k1_a_result_names_the_settings_it_was_judged_by() {
    let rows = [
        ("", "@1 upsert A p1", Some(1)),
        ("", "@1 put expire=1", None),
        ("none", "@1 upsert A p1", None),
    ];
    for (settings, line, version) in rows {
        let told = Script::new(settings, "").line(line);
        let result = told.iter().find_map(|effect| match &effect.what {
            Consequence::Result(result) => Some(result),
            _ => None,
        });
        assert_eq!(result.unwrap().settings_version, version, "{line}");
    }
}

#[test]
fn no_record_of_a_phone_is_judged_before_an_earlier_one_though_the_org_is_unknown() {
    for line in ["@3 deactivate #2", "@3 affiliate p1 w1", "@3 upsert A p1"] {
        let mut script = Script::new("", "");
        script.lines(&["@1 upsert A p1", "@2 chatroom A w1", "@9 upsert A p1", "@9 put none"]);
        let told = script.line(line);
        let decided_at = told.iter().find_map(|effect| match &effect.what {
            Consequence::Result(result) => Some(result.decided_at),
            _ => None,
        });
        assert_eq!(decided_at, Some(day(9.0)), "{line}");
    }
}

#[test]
fn k2_a_repeat_goes_to_the_home_of_its_chatroom() {
    let mut script = Script::new("", "");
    script.lines(&["@1 upsert A p1", "@2 chatroom A w1 id=x", "@3 upsert A p2"]);
    let told = script.world.step(&script::event("@4 chatroom A w1 id=x", 9));
    let Consequence::PassOn(passed) = &told[0].what else {
        panic!("{}", tell(&told).join(" "));
    };
    assert!(matches!(passed.step, Step::Repeat { .. }));
    let chatroom = super::text::chatroom_id(2);
    assert_eq!(passed.step.key(&org()), Key::Chatroom(org(), chatroom.into()));
}
