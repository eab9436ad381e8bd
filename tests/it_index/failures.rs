//! What becomes of calls when a server fails, is emptied, fills up, or is not the one that it should be.

use crate::servers::{Cluster, Server, until};
use crate::{batch, change, generation, put};
use chatroom_router::index::{Applied, Begin, Begun, ErrorKind, Fault, Generation, Index, Marker, Read, Settings};
use std::time::{Duration, Instant};

fn index(url: &str) -> Index {
    let mut settings = Settings::new(url);
    settings.reply_timeout = Duration::from_millis(500);
    settings.connect_timeout = Duration::from_millis(500);
    Index::redis(&settings).unwrap()
}

async fn begin(index: &Index) -> Generation {
    let of = generation();
    let begin = Begin {
        expected: None,
        of,
        offset: 0,
        at: 0,
    };
    let begun = index.begin(0, &begin).await.unwrap();
    assert!(matches!(begun, Begun::Begun(_)));
    of
}

async fn apply(index: &Index, of: &Generation, from: i64, value: &[u8]) -> Result<Applied, ErrorKind> {
    let next = batch(from, from + 1, [change(from, [put("a", value)])]);
    index.apply(0, of, &next).await.map_err(|error| error.kind())
}

async fn marker_comes(index: &Index, what: &str) -> Option<Marker> {
    until(what, async || match index.marker(0).await {
        Ok(marker) => Some(marker),
        Err(error) => {
            assert!(error.is_retriable(), "{error:?}");
            None
        }
    })
    .await
}

#[tokio::test]
async fn a_server_that_dies_and_comes_back_empty_is_found_again() {
    let mut server = Server::start(&[]).await;
    let index = index(&server.url());
    let of = begin(&index).await;
    assert_eq!(apply(&index, &of, 0, b"1").await, Ok(Applied::Applied));
    server.kill();
    let started = Instant::now();
    for _ in 0..20 {
        assert_eq!(apply(&index, &of, 1, b"2").await, Err(ErrorKind::Unavailable));
    }
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "calls fail at once while nobody is there"
    );
    server.restart().await;
    assert_eq!(marker_comes(&index, "the server is back").await, None);
    assert_eq!(apply(&index, &of, 1, b"2").await, Ok(Applied::Foreign(None)));
    begin(&index).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_found_again() {
    let server = Server::start(&[]).await;
    let index = index(&server.url());
    let of = begin(&index).await;
    server.signal("-STOP");
    assert_eq!(apply(&index, &of, 0, b"1").await, Err(ErrorKind::Unavailable));
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(apply(&index, &of, 0, b"1").await, Err(ErrorKind::Unavailable));
    }
    assert!(started.elapsed() < Duration::from_secs(3));
    server.signal("-CONT");
    marker_comes(&index, "the server goes on").await;
    // What was sent before may have been done meanwhile, and doing it again changes nothing.
    let again = apply(&index, &of, 0, b"1").await;
    assert!(matches!(again, Ok(Applied::Applied | Applied::Already)));
    let Read::Found { marker, value } = index.read(0, &of, &["a"]).await.unwrap() else {
        panic!("foreign");
    };
    assert_eq!((marker.offset, value), (1, vec![Some(b"1".to_vec())]));
}

#[tokio::test]
async fn a_flush_leaves_nothing_and_teaches_nothing_wrong() {
    let server = Server::start(&[]).await;
    let index = index(&server.url());
    let of = begin(&index).await;
    assert_eq!(apply(&index, &of, 0, b"1").await, Ok(Applied::Applied));
    server.ask::<()>(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(apply(&index, &of, 1, b"2").await, Ok(Applied::Applied));
    server.ask::<()>(&["FLUSHALL"]).await;
    assert_eq!(apply(&index, &of, 2, b"3").await, Ok(Applied::Foreign(None)));
    assert_eq!(index.read(0, &of, &["a"]).await.unwrap(), Read::Foreign(None));
}

#[tokio::test]
async fn a_full_server_refuses_writes_and_still_reads() {
    let server = Server::start(&["--maxmemory", "8mb"]).await;
    let index = index(&server.url());
    let of = begin(&index).await;
    let large = vec![b'x'; 1 << 20];
    let mut offset = 0;
    let refused = loop {
        let next = batch(
            offset,
            offset + 1,
            [change(offset, [put(format!("k{offset}"), &large)])],
        );
        match index.apply(0, &of, &next).await {
            Ok(outcome) => assert_eq!(outcome, Applied::Applied),
            Err(error) => break error,
        }
        offset += 1;
        assert!(offset < 20, "the server must fill up");
    };
    assert_eq!((refused.kind(), refused.is_retriable()), (ErrorKind::Full, true));
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1mb"]).await;
    assert_eq!(apply(&index, &of, offset, b"1").await, Err(ErrorKind::Full));
    let Read::Found { marker, value } = index.read(0, &of, &["k0"]).await.unwrap() else {
        panic!("foreign");
    };
    assert_eq!(
        (marker.offset, value[0].as_ref().map(Vec::len)),
        (offset, Some(large.len()))
    );
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(apply(&index, &of, offset, b"1").await, Ok(Applied::Applied));
}

/// A sweep that looked before a build began must not take that build for an older one.
#[tokio::test]
async fn the_sweep_looks_at_the_marker_itself() {
    let server = Server::start(&[]).await;
    let index = index(&server.url());
    let of = begin(&index).await;
    assert_eq!(apply(&index, &of, 0, b"1").await, Ok(Applied::Applied));
    let keys: Vec<String> = server.ask(&["KEYS", "*"]).await;
    let sweep = async |generation: &str| {
        let (script, tag) = (include_str!("../../src/index/redis/sweep.lua"), "{chatroom-router:0}");
        let (marker, generations) = (format!("{tag}:marker"), format!("{tag}:generations"));
        let values = keys.iter().find(|key| key.contains(":v:")).expect("a value");
        let words = ["EVAL", script, "3", &marker, &generations, values, generation];
        server.ask::<i64>(&words).await
    };
    assert_eq!(sweep(&of.generation.to_string()).await, -1);
    assert_eq!(server.ask::<i64>(&["DBSIZE"]).await, 3);
    assert_eq!(sweep("an older one").await, 1);
    server.ask::<()>(&["DEL", "{chatroom-router:0}:marker"]).await;
    assert_eq!(sweep("an older one").await, -1);
}

#[tokio::test]
async fn what_was_evicted_while_nobody_looked_is_told_until_the_index_is_begun_anew() {
    let server = Server::start(&[]).await;
    let index = index(&server.url());
    let of = begin(&index).await;
    assert!(index.evicted([0]).await.unwrap().is_empty());
    for words in [
        &["SET", "another", "value", "PX", "1000000"][..],
        &["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"],
        &["CONFIG", "SET", "maxmemory", "1"],
    ] {
        server.ask::<()>(words).await;
    }
    assert_eq!(
        apply(&index, &of, 0, b"1").await,
        Err(ErrorKind::Full),
        "and so it throws away"
    );
    for words in [["maxmemory", "0"], ["maxmemory-policy", "noeviction"]] {
        server.ask::<()>(&["CONFIG", "SET", words[0], words[1]]).await;
    }
    index.check().await.unwrap();
    assert_eq!(index.evicted([0]).await.unwrap(), [0]);
    let again = Begin {
        expected: Some(of.generation),
        of: generation(),
        offset: 0,
        at: 0,
    };
    index.begin(0, &again).await.unwrap();
    assert!(index.evicted([0]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_evicts_is_a_fault_that_says_what_to_change() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]).await;
    let fault = index(&server.url()).check().await.unwrap_err();
    assert!(matches!(&fault, Fault::Policy { policy, .. } if policy == "allkeys-lru"));
    assert!(fault.to_string().contains("noeviction"), "{fault}");
}

#[tokio::test]
async fn a_replica_is_neither_read_nor_written() {
    let master = Server::start(&[]).await;
    let of = begin(&index(&master.url())).await;
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port())]).await;
    until("the replica has it all", async || {
        let info: String = replica.ask(&["INFO", "replication"]).await;
        info.contains("master_link_status:up").then_some(())
    })
    .await;
    let index = index(&replica.url());
    let read = index.read(0, &of, &["a"]).await.unwrap_err();
    assert_eq!(read.kind(), ErrorKind::Unavailable, "{read:?}");
    assert_eq!(apply(&index, &of, 0, b"1").await, Err(ErrorKind::Unavailable));
    assert!(matches!(index.check().await, Err(Fault::Replica { .. })));
}

#[tokio::test]
async fn credentials_are_used_and_wrong_ones_are_denied() {
    let server = Server::start(&[]).await;
    let rights = [
        "ACL",
        "SETUSER",
        "router",
        "on",
        ">p@ss",
        "~{chatroom-router:*",
        "-@all",
    ];
    let commands = "EVALSHA SCRIPT|LOAD INFO HGET HMGET HSET HDEL DEL UNLINK EXISTS SADD SREM SMEMBERS SRANDMEMBER ZADD ZREM \
        ZRANGEBYSCORE";
    let commands: Vec<String> = commands
        .split(' ')
        .map(|command| format!("+{}", command.to_lowercase()))
        .collect();
    let words: Vec<&str> = rights.into_iter().chain(commands.iter().map(String::as_str)).collect();
    server.ask::<()>(&words).await;
    let index = index(&format!("redis://router:p%40ss@{}", server.address()));
    let of = begin(&index).await;
    assert_eq!(apply(&index, &of, 0, b"1").await, Ok(Applied::Applied));
    let next = Begin {
        expected: Some(of.generation),
        of: generation(),
        offset: 0,
        at: 0,
    };
    index.begin(0, &next).await.unwrap();
    assert_eq!(index.sweep_foreign(0, 9).await.unwrap().removed, 1);
    index.check().await.unwrap();

    let wrong = crate::redis_at(&format!("redis://router:wrong@{}", server.address()));
    let error = wrong.marker(0).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.is_retriable()),
        (ErrorKind::Denied, false),
        "{error:?}"
    );
}

#[tokio::test]
async fn sentinels_lead_to_the_new_master() {
    let master = Server::start(&["--repl-diskless-sync-delay", "0"]).await;
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port())]).await;
    let sentinel = Server::sentinel(&master).await;
    let index = index(&format!("redis+sentinel://{}/chat", sentinel.address()));
    let of = until("the sentinel knows the master", async || {
        let of = generation();
        let begin = Begin {
            expected: None,
            of,
            offset: 0,
            at: 0,
        };
        index.begin(0, &begin).await.is_ok().then_some(of)
    })
    .await;
    until("the sentinel knows a replica in order", async || {
        let known: String = sentinel.ask(&["INFO", "sentinel"]).await;
        let state: String = replica.ask(&["INFO", "replication"]).await;
        (known.contains("slaves=1") && state.contains("master_link_status:up")).then_some(())
    })
    .await;
    assert_eq!(apply(&index, &of, 0, b"1").await, Ok(Applied::Applied));
    until("the replica has followed", async || {
        let words = ["HGET", "{chatroom-router:0}:marker", "offset"];
        let offset: Option<i64> = replica.ask(&words).await;
        (offset == Some(1)).then_some(())
    })
    .await;

    master.signal("-STOP");
    until("writes reach the new master", async || {
        match apply(&index, &of, 1, b"2").await {
            Ok(outcome) => matches!(outcome, Applied::Applied | Applied::Already).then_some(()),
            Err(kind) => {
                assert_eq!(kind, ErrorKind::Unavailable);
                None
            }
        }
    })
    .await;
    let info: String = replica.ask(&["INFO", "replication"]).await;
    assert!(info.contains("role:master"));
    let marker = marker_comes(&index, "the new master answers").await;
    assert_eq!(marker.map(|marker| (marker.of, marker.offset)), Some((of, 2)));
    master.signal("-CONT");
}

#[tokio::test]
async fn a_cluster_that_loses_a_node_is_found_again() {
    let mut cluster = Cluster::start().await;
    let index = index(&cluster.url());
    let all_answer = async || {
        for partition in 0..16 {
            match index.marker(partition).await {
                Ok(marker) => assert_eq!(marker, None),
                Err(error) => {
                    assert!(error.is_retriable(), "{error:?}");
                    return false;
                }
            }
        }
        true
    };
    assert!(all_answer().await);
    cluster.node(1).kill();
    assert!(!all_answer().await);
    cluster.node(1).restart().await;
    until("the cluster is whole", async || all_answer().await.then_some(())).await;
}
