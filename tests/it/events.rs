//! `GET /v1/orgs/{org}/events`: what its readers get while processes come and go, and what others who connect may not do to it.

use crate::harness::api::{Api, Heard, Listener, TOKEN, agent, pause};
use crate::harness::client::Input;
use crate::harness::topics::{CRM, INBOUND, LIFECYCLE, OUTBOUND, OUTBOUND_REQUESTS, RESULTS, ROUTED, SETTINGS};
use crate::harness::world::{Plan, World};
use crate::wait;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

const WABA: &str = "+12025550100";
const PHONE: &str = "+919812345678";

/// The topics that are told of, with the names of their events.
const TOLD: [(&str, &str); 4] = [
    (ROUTED, "routed"),
    (LIFECYCLE, "lifecycle"),
    (RESULTS, "result"),
    (OUTBOUND, "outbound"),
];

fn world(name: &'static str) -> World {
    World::start(&Plan {
        own_redis: false,
        ..Plan::new(name)
    })
}

fn send(world: &World, topic: &'static str, key: &str, value: &Value) {
    let input = Input::new(topic, key, value.to_string().as_bytes(), Timestamp::now());
    world.client.send(&input);
}

fn result(world: &World, org: &str, request: &str) -> Value {
    let found = world.log().await_first(request, wait::PATIENCE, |record| {
        record.topic == RESULTS && record.text("org_id") == org && record.text("request_id") == request
    });
    found.value.clone()
}

/// An org with a contact and its chatroom, whose id comes back.
fn open_org(world: &World, org: &str) -> String {
    let settings = json!({"org_id": org, "request_id": "s", "waba_phones": [{"phone": WABA}]});
    send(world, SETTINGS, org, &settings);
    result(world, org, "s");
    let contact = json!({"type": "contact.upsert", "request_id": "c", "org_id": org, "crm_id": "L-1", "phone": PHONE});
    let room =
        json!({"type": "chatroom.create", "request_id": "r", "org_id": org, "crm_id": "L-1", "waba_phone": WABA});
    send(world, CRM, &format!("{org}:L-1"), &contact);
    send(world, CRM, &format!("{org}:L-1"), &room);
    let made = result(world, org, "r");
    made["chatroom"]["chatroom_id"].as_str().expect("a chatroom").to_owned()
}

fn message(world: &World, org: &str, id: &str, text: &str) {
    let value = json!({
        "org_id": org, "waba_phone": WABA, "from": PHONE, "message_id": id, "sent_at": Timestamp::now().to_string(),
        "message": {"type": "text", "text": {"body": text}},
    });
    send(world, INBOUND, &format!("{org}:{PHONE}"), &value);
}

fn reply(world: &World, org: &str, room: &str, (id, agent): (&str, &str)) {
    let value = json!({
        "org_id": org, "request_id": id, "chatroom_id": room, "requested_by": agent,
        "message": {"type": "text", "text": {"body": "Yes"}},
    });
    send(world, OUTBOUND_REQUESTS, &format!("{org}:{PHONE}"), &value);
}

fn turn(world: &World, org: &str, room: &str, id: &str) {
    let value = json!({"type": "chatroom.deactivate", "request_id": id, "org_id": org, "chatroom_id": room});
    send(world, CRM, &format!("{org}:{room}"), &value);
}

/// How often each event of an org should be heard, of the records from there on.
fn published(world: &World, org: &str, from: usize) -> BTreeMap<(String, String), usize> {
    world.tail.settle();
    let mut found = BTreeMap::new();
    for record in world.log().from(from) {
        let told = TOLD.iter().find(|(topic, _)| *topic == record.topic);
        if let Some((_, name)) = told.filter(|_| record.text("org_id") == org) {
            *found.entry(((*name).to_owned(), record.value.to_string())).or_default() += 1;
        }
    }
    found
}

fn counted(heard: &[Heard]) -> BTreeMap<(String, String), usize> {
    let mut found = BTreeMap::new();
    for event in heard.iter().filter(|event| event.name != "end") {
        *found.entry((event.name.clone(), event.data.to_string())).or_default() += 1;
    }
    found
}

/// Reads on for good, wherever the address leads, and keeps what it heard.
fn follow(address: &Mutex<String>, heard: &Mutex<Vec<Heard>>, is_over: &AtomicBool) {
    let mut last_id = None;
    while !is_over.load(Ordering::Relaxed) {
        let url = locked(address).clone();
        let Ok(mut stream) = Listener::open(&url, last_id.as_deref()) else {
            pause();
            continue;
        };
        while let Some(event) = stream.next() {
            locked(heard).push(event);
        }
        last_id = stream.last_id;
    }
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn locked<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The processes that a reader meets, one after another.
struct Processes {
    running: BTreeMap<&'static str, Api>,
    address: Arc<Mutex<String>>,
}

impl Processes {
    fn start(&mut self, world: &World, name: &'static str) {
        self.running.insert(name, Api::start(world, name, &[]));
    }

    fn lead_to(&self, name: &str) {
        *locked(&self.address) = self.running[name].url(PATH);
    }

    /// What befalls them while so many messages have been sent.
    fn befall(&mut self, world: &World, sent: usize) {
        match sent {
            200 => {
                drop(self.running.remove("first"));
                self.lead_to("second");
            }
            // One that has just started serves who was at another, which is asked to end.
            400 => {
                self.start(world, "third");
                self.lead_to("third");
                self.running["second"].process.signal("TERM");
            }
            // Killed and started again.
            650 => {
                drop(self.running.remove("third"));
                self.start(world, "again");
                self.lead_to("again");
            }
            _ => {}
        }
    }
}

const PATH: &str = "/v1/orgs/acme/events";
const SENT: usize = 900;

/// Messages all the time, now and then an agent's, and a chatroom that falls asleep.
fn talk(world: &World, room: &str, number: usize) {
    message(world, "acme", &format!("m{number}"), "Is it\nstill free?");
    match number % 30 {
        10 => reply(world, "acme", room, (&format!("q{number}"), "agent-7")),
        20 => turn(world, "acme", room, &format!("d{number}")),
        _ => {}
    }
    wait::let_pass(Duration::from_millis(8));
}

#[test]
fn a_reader_resumes_at_another_process_with_neither_gap_nor_repeat() {
    let world = world("events");
    let room = open_org(&world, "acme");
    let first = Api::start(&world, "first", &[]);
    let mut processes = Processes {
        address: Arc::new(Mutex::new(first.url(PATH))),
        running: BTreeMap::from([("first", first)]),
    };
    processes.start(&world, "second");
    let (heard, is_over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let known = world.log().len();
    thread::scope(|scope| {
        // However this ends, the reader ends too.
        let _ends = Ends(&is_over);
        let (address, heard, is_over) = (processes.address.clone(), &heard, &is_over);
        scope.spawn(move || follow(&address, heard, is_over));
        wait::until("the reader", wait::PATIENCE, || {
            let readers = processes.running["first"].figure("chatroom_router_api_event_readers");
            readers.filter(|readers| *readers >= 1.0)
        });
        for number in 0..SENT {
            talk(&world, &room, number);
            processes.befall(&world, number);
        }
        wait::until("the last message", wait::PATIENCE, || {
            let last = format!("m{}", SENT - 1);
            world
                .log()
                .first(|record| record.topic == ROUTED && record.text("message_id") == last)
        });
        let expected = published(&world, "acme", known);
        let total: usize = expected.values().sum();
        wait::within(wait::PATIENCE, || {
            let count: usize = counted(&locked(heard)).values().sum();
            (count >= total).then_some(())
        });
        is_over.store(true, Ordering::Relaxed);
        processes.running.clear();
        assert_heard(&expected, &locked(heard));
    });
}

/// Each event once and nothing else, the messages in order; and the process that was asked to end has said so.
fn assert_heard(expected: &BTreeMap<(String, String), usize>, heard: &[Heard]) {
    let found = counted(heard);
    let missing: Vec<_> = expected
        .keys()
        .filter(|key| !found.contains_key(*key))
        .take(3)
        .collect();
    let surplus: Vec<_> = found
        .iter()
        .filter(|(key, count)| expected.get(*key) != Some(count))
        .take(3)
        .collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "missing {missing:?}, too much {surplus:?}"
    );
    let ends = heard.iter().filter(|event| event.name == "end");
    let reasons: Vec<&Value> = ends.map(|event| &event.data["reason"]).collect();
    assert_eq!(reasons, [&json!("SHUTTING_DOWN")]);
    let routed = heard.iter().filter(|event| event.name == "routed");
    let order: Vec<&str> = routed.filter_map(|event| event.data["message_id"].as_str()).collect();
    let wanted: Vec<String> = (0..SENT).map(|number| format!("m{number}")).collect();
    assert!(order == wanted, "the messages of a chatroom keep their order");
}

#[test]
fn a_stream_is_of_its_org_its_chatroom_or_its_agent_alone() {
    let world = world("events-of");
    let room = open_org(&world, "acme");
    let other = open_org(&world, "umbrella");
    let api = Api::start(&world, "api", &[("API__EVENTS__MAX_READERS_PER_TOKEN", "4")]);
    let open = |query: &str| {
        let mut stream = Listener::open(&api.url(&format!("/v1/orgs/acme/events{query}")), None).expect("a stream");
        stream.is_open();
        stream
    };
    let mut all = open("");
    let mut of_room = open(&format!("?chatroom_id={room}"));
    let mut of_nobody = open(&format!("?chatroom_id={other}"));
    let mut of_agent = open("?requested_by=agent-7");
    let url = api.url("/v1/orgs/acme/events");
    assert_eq!(Listener::open(&url, None).err(), Some(429), "the fifth of four");
    message(&world, "umbrella", "u1", "not acme's");
    message(&world, "acme", "m1", "hello");
    reply(&world, "acme", &room, ("q1", "agent-8"));
    reply(&world, "acme", &room, ("q2", "agent-7"));
    result(&world, "acme", "q2");
    turn(&world, "acme", &room, "d1");
    result(&world, "acme", "d1");
    let mut names = BTreeMap::new();
    for _ in 0..7 {
        let event = of_room.next().expect("an event");
        assert_eq!(
            all.next().map(|event| event.data["org_id"].clone()),
            Some(json!("acme"))
        );
        *names.entry(event.name).or_insert(0) += 1;
    }
    let wanted = [("lifecycle", 1), ("outbound", 2), ("result", 3), ("routed", 1)];
    assert_eq!(
        names,
        BTreeMap::from(wanted.map(|(name, count)| (name.to_owned(), count)))
    );
    let asked = of_agent.next().expect("an event");
    assert_eq!(
        (asked.name.as_str(), &asked.data["request_id"]),
        ("outbound", &json!("q2"))
    );
    drop(api);
    assert!(of_nobody.next().is_none() && of_agent.next().is_none());
}

#[test]
fn what_cannot_be_resumed_is_a_gap_and_what_cannot_be_meant_a_problem() {
    let world = world("events-gap");
    let room = open_org(&world, "acme");
    let api = Api::start(&world, "api", &[]);
    let url = api.url("/v1/orgs/acme/events");
    for id in ["nonsense", "AQAAAAAAAAAA"] {
        let mut stream = Listener::open(&url, Some(id)).expect("a stream");
        let event = stream.next().expect("an event");
        assert_eq!(
            (event.name.as_str(), &event.data["reason"]),
            ("gap", &json!("UNKNOWN_ID")),
            "{id}"
        );
        message(&world, "acme", &format!("after {id}"), "hello");
        assert_eq!(stream.next().map(|event| event.name), Some("routed".to_owned()));
        assert_ne!(stream.last_id.as_deref(), Some(id));
    }
    for (path, status) in [
        ("acme/events?chatroom_id=nonsense".to_owned(), 404),
        (format!("acme/events?chatroom={room}"), 400),
        ("nobody/events".to_owned(), 404),
    ] {
        assert_eq!(
            Listener::open(&api.url(&format!("/v1/orgs/{path}")), None).err(),
            Some(status),
            "{path}"
        );
    }
    let answer = agent().get(&url).call().expect("an answer");
    assert_eq!(answer.status().as_u16(), 401);
}

const QUIET: usize = 1_400;
const FAST: usize = 200;
const SLOW: usize = 300;
const BROKEN: usize = 100;
const MESSAGES: usize = 150;

fn request(org: &str) -> String {
    format!("GET /v1/orgs/{org}/events HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {TOKEN}\r\n\r\n")
}

/// A connection that has sent these words.
async fn connect(port: u16, words: &str, receive_bytes: Option<u32>) -> tokio::net::TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    if let Some(bytes) = receive_bytes {
        socket.set_recv_buffer_size(bytes).expect("small");
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = socket.connect(address).await.expect("connected");
    stream.write_all(words.as_bytes()).await.expect("sent");
    stream
}

/// Reads until it has seen this; gives back all bytes.
async fn read(mut stream: tokio::net::TcpStream, last: &str) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let from = all.len().saturating_sub(last.len());
        let is_over = stream.read_buf(&mut all).await.expect("readable") == 0;
        if is_over || String::from_utf8_lossy(&all[from..]).contains(last) {
            return all;
        }
    }
}

fn last_id() -> String {
    format!("\"message_id\":\"m{}\"", MESSAGES - 1)
}

/// The ids of the messages, in the order of their events.
fn ids(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let after = text.split("\"message_id\":\"").skip(1);
    after
        .map(|rest| rest.split('"').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn slow_broken_and_vanishing_readers_cost_little_and_hold_up_nobody() {
    let world = world("events-many");
    open_org(&world, "busy");
    open_org(&world, "quiet");
    let limits = [
        ("API__MAX_CONNECTIONS", "4000"),
        ("API__REQUESTS_PER_SECOND", "100000"),
        ("API__REQUESTS_AT_ONCE", "4000"),
        ("API__EVENTS__MAX_READERS", "3000"),
        ("API__EVENTS__MAX_READERS_PER_TOKEN", "3000"),
    ];
    let api = Api::start(&world, "api", &limits);
    let before = api.megabytes();
    let readers = |wanted: usize| {
        wait::until("the readers", wait::PATIENCE, || {
            (api.figure("chatroom_router_api_event_readers")? as usize == wanted).then_some(())
        });
    };
    let runtime = Runtime::new().expect("a runtime");
    let open = |count: usize, words: String, receive_bytes: Option<u32>| {
        let (runtime, port) = (&runtime, api.port);
        let words = &words;
        let all = (0..count).map(|_| runtime.block_on(connect(port, words, receive_bytes)));
        all.collect::<Vec<_>>()
    };
    let _quiet = open(QUIET, request("quiet"), None);
    let fast = open(FAST, request("busy"), None);
    let slow = open(SLOW, request("busy"), Some(4_096));
    readers(QUIET + FAST + SLOW);
    let half_a_request = open(BROKEN, request("busy")[..60].to_owned(), None);
    let vanishing = open(BROKEN, request("busy"), None);
    readers(QUIET + FAST + SLOW + BROKEN);
    let connected = api.megabytes();

    let fast: Vec<_> = fast
        .into_iter()
        .map(|stream| runtime.spawn(async move { read(stream, &last_id()).await }))
        .collect();
    let text = "x".repeat(8_000);
    for number in 0..MESSAGES {
        message(&world, "busy", &format!("m{number}"), &text);
        if number == MESSAGES / 2 {
            for stream in &vanishing {
                stream.set_zero_linger().expect("a reset at the end");
            }
        }
    }
    drop((vanishing, half_a_request));
    let wanted: Vec<String> = (0..MESSAGES).map(|number| format!("m{number}")).collect();
    for reader in fast {
        let bytes = runtime.block_on(async { tokio::time::timeout(wait::PATIENCE, reader).await });
        let bytes = bytes.expect("in time").expect("no panic");
        assert!(ids(&bytes) == wanted, "each message once, in order");
    }
    let most = api.megabytes();
    println!(
        "{before} MB before, {connected} MB with {} connections, {most} MB at most",
        QUIET + FAST + SLOW + 2 * BROKEN
    );
    assert!(
        most < 300,
        "{before} MB before, {connected} MB connected, {most} MB at most"
    );
    // Those who read are gone as they wished, the slow ones are cut off.
    readers(QUIET);
    drop(slow);
}
