//! A build is handed out as a whole, for who compares it with its changelog.

use crate::{change, clock, delete, generation, put};
use chatroom_router::index::{Batch, Begin, Generation, Held, Index, Read};
use std::collections::BTreeMap;

async fn walked(index: &Index, of: &Generation) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let mut each = |held: Held| match held {
        Held::Value { key, value } => _ = found.insert(text(key), text(value)),
        Held::Clock { clock, member, start } => {
            _ = found.insert(format!("{}/{}", text(clock), text(member)), start.to_string());
        }
    };
    match index.walk(0, of, &mut each).await.unwrap() {
        Read::Found { marker, .. } => {
            assert_eq!(marker.of, *of);
            Some(found)
        }
        Read::Foreign(_) => None,
    }
}

pub async fn all_of_a_build_is_handed_out(index: Index) {
    let of = generation();
    assert_eq!(walked(&index, &of).await, None);
    let begin = Begin {
        expected: None,
        of,
        offset: 0,
        at: 5,
    };
    index.begin(0, &begin).await.unwrap();
    assert_eq!(walked(&index, &of).await, Some(BTreeMap::new()));

    let mut wanted = BTreeMap::new();
    let mut changes = Vec::new();
    for number in 0..3_000 {
        let (key, value, start) = (format!("k{number}"), format!("v{number}"), 1_700_000_000_000 + number);
        changes.push(change(number, [put(&key, &value), clock("i:acme", &key, start)]));
        wanted.insert(format!("i:acme/{key}"), start.to_string());
        wanted.insert(key, value);
    }
    changes.push(change(
        3_000,
        [delete("k7"), clock("i:acme", "k7", None), clock("a:acme", "k8", -9)],
    ));
    wanted.retain(|name, _| name != "k7" && name != "i:acme/k7");
    wanted.insert("a:acme/k8".to_owned(), "-9".to_owned());
    let batch = Batch {
        from: 0,
        to: 3_001,
        changes,
        applied_until: None,
    };
    index.apply(0, &of, &batch).await.unwrap();
    assert_eq!(walked(&index, &of).await, Some(wanted));
    assert_eq!(walked(&index, &generation()).await, None);
}
