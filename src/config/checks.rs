//! What holds between settings. A setting that is already at fault is not held against others.

use super::topics;
use super::values::Values;
use crate::contract::TopicKind;

pub fn check(values: &mut Values) {
    partitions(values);
    timeouts(values);
    security(values);
    topics_differ(values);
    api(values);
    at_least(values, "batch.max_bytes", "limits.record_bytes");
    at_least(values, "state.overlay_max_bytes", "batch.max_bytes");
}

fn partitions(values: &mut Values) {
    let partitions = values.number("topics.partitions");
    if !partitions.is_power_of_two() && !values.is_faulty("topics.partitions") {
        let (below, above) = (partitions.next_power_of_two() / 2, partitions.next_power_of_two());
        values.fault(
            "topics.partitions",
            format!("can't be {partitions}, which is no power of two"),
            format!("write {below} or {above}"),
        );
    }
}

fn timeouts(values: &mut Values) {
    let (session, transaction) = ("kafka.session_timeout_ms", "kafka.transaction_timeout_ms");
    if values.is_faulty(session) || values.is_faulty(transaction) {
        return;
    }
    if values.text("kafka.group_protocol") == "consumer" {
        if values.is_written(session) {
            values.fault(
                session,
                "is the brokers' to say under kafka.group_protocol = consumer",
                "leave it out, and set group.consumer.session.timeout.ms there",
            );
        }
    } else if values.number(transaction) >= values.number(session) {
        let limit = values.number(session);
        values.fault(
            transaction,
            format!("is not below kafka.session_timeout_ms ({limit}), so another process could take a partition whose transaction is still open"),
            format!("write less than {limit}, or raise kafka.session_timeout_ms"),
        );
    }
}

fn security(values: &mut Values) {
    let protocol = values.text("kafka.security.protocol");
    let tls = ["ca_file", "certificate_file", "key_file", "key_password"];
    if !protocol.ends_with("ssl") {
        refuse_all(
            values,
            &tls,
            "is of no use without TLS",
            "set kafka.security.protocol to ssl or sasl_ssl, or leave it out",
        );
    }
    let login = ["user", "password"];
    if protocol.starts_with("sasl") {
        for key in login.map(|name| format!("kafka.security.{name}")) {
            if !values.is_written(&key) && !values.is_faulty(&key) {
                values.fault(&key, format!("is missing, and {protocol} needs it"), "set it");
            }
        }
    } else {
        refuse_all(
            values,
            &login,
            "is of no use without SASL",
            "set kafka.security.protocol to sasl_ssl, or leave it out",
        );
    }
    for (one, other) in [
        ("certificate_file", "key_file"),
        ("key_file", "certificate_file"),
        ("key_password", "key_file"),
    ] {
        let (one, other) = (format!("kafka.security.{one}"), format!("kafka.security.{other}"));
        if values.is_written(&one) && !values.is_written(&other) && !values.is_faulty(&other) {
            values.fault(&one, format!("is of no use without {other}"), "set both or neither");
        }
    }
}

fn refuse_all(values: &mut Values, names: &[&str], what: &str, instead: &str) {
    for key in names.iter().map(|name| format!("kafka.security.{name}")) {
        if values.is_written(&key) {
            values.fault(&key, what, instead);
        }
    }
}

fn api(values: &mut Values) {
    let (listens, has_tokens) = (!values.text("api.listen").is_empty(), values.is_written("api.tokens"));
    if listens && !has_tokens && !values.is_faulty("api.tokens") {
        values.fault(
            "api.listen",
            "lets nobody in without api.tokens",
            "set api.tokens, or leave it out",
        );
    }
    if !listens && values.number("workers") == 0 && !values.is_faulty("api.listen") {
        values.fault(
            "workers",
            "is 0, and there is no API to serve",
            "write at least 1, or set api.listen",
        );
    }
    for (one, other) in [("certificate_file", "key_file"), ("key_file", "certificate_file")] {
        let (one, other) = (format!("api.tls.{one}"), format!("api.tls.{other}"));
        if values.is_written(&one) && !values.is_written(&other) && !values.is_faulty(&other) {
            values.fault(&one, format!("is of no use without {other}"), "set both or neither");
        }
    }
}

fn topics_differ(values: &mut Values) {
    let named = TopicKind::ALL.map(|kind| {
        let key = format!("topics.{}", topics::key(kind));
        let name = values.text(&key);
        (key, name)
    });
    for (at, (key, name)) in named.iter().enumerate() {
        if let Some((other, _)) = named[..at].iter().find(|(_, earlier)| earlier == name) {
            values.fault(key, format!("is {name:?}, as {other} is"), "give each its own topic");
        }
    }
}

fn at_least(values: &mut Values, key: &str, other: &str) {
    let (value, least) = (values.number(key), values.number(other));
    if value < least && !values.is_faulty(key) && !values.is_faulty(other) {
        values.fault(
            key,
            format!("is {value}, below {other} ({least})"),
            format!("write at least {least}"),
        );
    }
}
