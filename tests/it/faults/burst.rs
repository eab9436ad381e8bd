//! A producer that sends nothing but rubbish: its partition is halted and somebody is told, the others go on.

use crate::harness::client::Input;
use crate::harness::topics::{DEAD, INBOUND, UNROUTED};
use crate::harness::world::{Plan, World};
use crate::scenario::{PHONE, W1, now};
use crate::wait;
use serde_json::json;

/// Of the last 20 records at most 10 may be bad.
const ALLOWED: usize = 10;
const RUBBISH: usize = 24;

fn message(partition: i32, id: &str) -> Input {
    let value = json!({"org_id": "burst", "waba_phone": W1, "from": PHONE, "message_id": id, "sent_at": now().to_string(), "message": {"type": "text"}});
    Input::new(INBOUND, "burst", value.to_string().as_bytes(), now()).partition(partition)
}

/// Of an org that nobody knows: it comes out as unrouted.
fn judged(world: &World, id: &str) -> bool {
    world
        .log()
        .first(|record| record.topic == UNROUTED && record.text("message_id") == id)
        .is_some()
}

/// The offsets of the dead letters of one input partition by now, in their order.
fn letters(world: &World, partition: i32) -> Vec<i64> {
    let partition = partition.to_string();
    let of_it = world
        .log()
        .all(|record| record.topic == DEAD && record.header("dlq_partition") == partition);
    let offset = |text: &str| -> i64 { text.parse().expect("a number") };
    let mut offsets: Vec<i64> = of_it.iter().map(|record| offset(record.header("dlq_offset"))).collect();
    offsets.sort_unstable();
    offsets
}

/// Waits for so many, and for any that there should not be. A halt is told when it is made, before the commit of what stood
/// in front of it.
fn await_letters(world: &World, partition: i32, wanted: &[i64]) {
    wait::until("the dead letters", wait::PATIENCE, || {
        (letters(world, partition).len() >= wanted.len()).then_some(())
    });
    world.tail.settle();
    assert_eq!(letters(world, partition), wanted, "each once, and no other");
}

fn await_halt(world: &World, partition: i32) {
    let why = format!("{INBOUND}-{partition} is halted: over 50 in 100 of its last 20 records were bad");
    wait::until("the halt to be told", wait::PATIENCE, || {
        let (status, told) = world.ask(0, "/readyz?verbose");
        (status == 503 && told.contains(&why)).then_some(())
    });
    assert!(world.metrics(0).contains("chatroom_router_inputs_halted 1\n"));
}

/// What the command says, with its exit code.
fn go_on(world: &World, partition: i32) -> (Option<i32>, String) {
    let (number, admin) = (partition.to_string(), world.admin(0));
    let place = ["--topic", INBOUND, "--partition", &number, "--admin", &admin];
    let output = world.command(&[&["dead-letters", "go-on"][..], &place].concat());
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&told).into_owned())
}

#[test]
fn a_burst_of_bad_input_halts_its_partition_alone_until_somebody_says_go_on() {
    let mut world = World::start(&Plan {
        set: vec![("LIMITS__BAD_BURST_RECORDS", "20")],
        ..Plan::new("burst")
    });
    let (bad, good) = (1, 2);
    let first = world.client.send(&message(bad, "before")).place().1;
    let rubbish = Input::new(INBOUND, "burst", b"rubbish", now()).partition(bad);
    (0..RUBBISH).for_each(|_| drop(world.client.send(&rubbish)));
    let last = world.client.send(&message(bad, "behind")).place().1;
    await_halt(&world, bad);
    let upto = |count: usize| -> Vec<i64> { (first + 1..).take(count).collect() };
    await_letters(&world, bad, &upto(ALLOWED));
    // The same task reads this one, and so does every other.
    for partition in 0..world.input_partitions(INBOUND) {
        let id = format!("beside-{partition}");
        world.client.send(&message(partition, &id));
        if partition != bad {
            wait::until(&id, wait::PATIENCE, || judged(&world, &id).then_some(()));
        }
    }
    assert!(judged(&world, "before") && !judged(&world, "behind"));

    // After a crash it is counted anew, from where it stood.
    world.kill(0);
    world.launch(0);
    await_halt(&world, bad);
    await_letters(&world, bad, &upto(2 * ALLOWED));

    let (code, told) = go_on(&world, good);
    assert!(
        code == Some(65) && told.contains("is not halted by this process"),
        "{told}"
    );
    let (code, told) = go_on(&world, bad);
    assert!(code == Some(0) && told.contains("goes on for 3600 s."), "{told}");
    wait::until("what stood behind the rubbish", wait::PATIENCE, || {
        judged(&world, "behind").then_some(())
    });
    await_letters(&world, bad, &upto(RUBBISH));
    assert_eq!(upto(RUBBISH).last().map(|offset| offset + 1), Some(last));
    wait::until("the halt to be over", wait::PATIENCE, || {
        (world.ask(0, "/readyz").0 == 200).then_some(())
    });
    assert!(world.metrics(0).contains("chatroom_router_inputs_halted 0\n"));
    // Nobody halts it again for an hour.
    (0..RUBBISH).for_each(|_| drop(world.client.send(&rubbish)));
    world.client.send(&message(bad, "at the end"));
    wait::until("what came at the end", wait::PATIENCE, || {
        judged(&world, "at the end").then_some(())
    });
    world.tail.settle();
    assert_eq!(letters(&world, bad).len(), 2 * RUBBISH);
}
