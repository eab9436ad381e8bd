//! How fast the index is, for whoever changes a script: `cargo test --test it_index speed -- --ignored --nocapture`.

use crate::servers::Server;
use crate::{batch, change, clock, generation, put, redis_at};
use chatroom_router::index::{Begin, Change, Due, Generation, Index, Read};
use std::time::Instant;

const ENTRIES: usize = 120_000;

#[tokio::test]
#[ignore = "measures, and asserts nothing about time"]
async fn speed_of_the_scripts() {
    let server = Server::start(&[]).await;
    let index = redis_at(&server.url());
    let names: Vec<String> = (0..ENTRIES).map(|n| format!("org-{}:+4917{n:08}", n % 97)).collect();
    for size in [150, 2400] {
        let of = begin(&index).await;
        apply(&server, &index, &of, &names, size).await;
    }
    let of = index.marker(0).await.unwrap().expect("a build").of;
    for size in [1, 500, 4000] {
        read(&server, &index, &of, &names, size).await;
    }
    clocks(&server, &index, &of, &names).await;
}

async fn begin(index: &Index) -> Generation {
    let before = index.marker(0).await.unwrap();
    let begin = Begin {
        expected: before.map(|marker| marker.of.generation),
        of: generation(),
        offset: 0,
        at: 0,
    };
    index.begin(0, &begin).await.unwrap();
    begin.of
}

async fn apply(server: &Server, index: &Index, of: &Generation, names: &[String], size: usize) {
    let entry = |(n, name): (usize, &String)| {
        let mut value = vec![b'x'; 300];
        value[..8].copy_from_slice(&n.to_be_bytes());
        change(n as i64, [put(name, value)])
    };
    let changes: Vec<Change> = names.iter().enumerate().map(entry).collect();
    let parts = changes.chunks(size).enumerate();
    let batches = parts.map(|(n, part)| batch((n * size) as i64, (n * size + part.len()) as i64, part));
    let batches: Vec<_> = batches.collect();
    measure(
        server,
        &format!("entries of 300 B applied, {size} a call"),
        names.len(),
        async {
            for next in &batches {
                index.apply(0, of, next).await.unwrap();
            }
        },
    )
    .await;
}

async fn read(server: &Server, index: &Index, of: &Generation, names: &[String], size: usize) {
    let names = if size == 1 { &names[..2000] } else { names };
    measure(server, &format!("keys read, {size} a call"), names.len(), async {
        for wanted in names.chunks(size) {
            let Read::Found { value, .. } = index.read(0, of, wanted).await.unwrap() else {
                panic!("foreign");
            };
            assert!(value.iter().all(Option::is_some));
        }
    })
    .await;
}

async fn clocks(server: &Server, index: &Index, of: &Generation, names: &[String]) {
    let offset = |n: usize| (names.len() + n) as i64;
    let tick = |(n, name): (usize, &String)| change(offset(n), [clock(&format!("idle:{}", n % 1000), name, n as i64)]);
    let changes: Vec<Change> = names.iter().enumerate().map(tick).collect();
    let all = batch(offset(0), offset(names.len()), changes);
    measure(
        server,
        "starts set on 1,000 clocks, all in one batch",
        names.len(),
        async {
            index.apply(0, of, &all).await.unwrap();
        },
    )
    .await;
    measure(server, "clocks named and asked, none due", 1000, async {
        let Read::Found { value, .. } = index.clocks(0, of).await.unwrap() else {
            panic!("foreign");
        };
        let question = |clock| Due {
            clock,
            upto: -1,
            skip: 0,
        };
        let questions: Vec<Due> = value.iter().map(|clock| question(clock)).collect();
        index.due(0, of, &questions, 100).await.unwrap();
    })
    .await;
}

#[allow(clippy::print_stdout)] // What it measures is what it is run for.
async fn measure(server: &Server, what: &str, count: usize, work: impl Future<Output = ()>) {
    let (started, busy) = (Instant::now(), script_micros(server).await);
    work.await;
    let rate = count as f64 / started.elapsed().as_secs_f64();
    let each = (script_micros(server).await - busy) / count as f64;
    println!("{what}: {rate:.0} a second, {each:.1} us each in the server");
}

/// How long the server has run scripts so far.
async fn script_micros(server: &Server) -> f64 {
    let stats: String = server.ask(&["INFO", "commandstats"]).await;
    let line = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:"));
    let micros = line.and_then(|line| line.split("usec=").nth(1));
    let micros = micros.and_then(|rest| rest.split(',').next());
    micros.map_or(0.0, |micros| micros.parse().expect("microseconds"))
}
