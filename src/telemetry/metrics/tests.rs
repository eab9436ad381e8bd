//! Every figure is there under its name, and each label at its own place.

use super::*;
use crate::contract::TopicKind;
use crate::domain::effect::{AutoReplyOutcome, Code, CommandType, DeadReason, RouteRule, Status, UnroutedReason};

fn used_once() -> Metrics {
    let metrics = Metrics::new().unwrap();
    metrics
        .judged
        .records
        .of(TopicKind::InboundMessages, RecordOutcome::Judged)
        .inc();
    let command = metrics
        .judged
        .commands
        .of(CommandType::ChatroomCreate, Status::Refused, Some(Code::Busy));
    command.inc();
    metrics
        .judged
        .commands
        .of(CommandType::SettingsPut, Status::Applied, None)
        .inc();
    metrics
        .index
        .call_seconds
        .of(IndexCall::Read, IndexOutcome::Ok)
        .observe(0.001);
    metrics.lag.input(TopicKind::CrmChanges, 3).seconds.set(1.5);
    metrics.lag.task(3).index_records.set(7);
    metrics.restores.remaining(3).set(9);
    let created = HttpStatus::of(201);
    metrics.api.requests.of(Route::CreateChatroom, created).inc();
    metrics
}

#[test]
fn every_figure_is_there() {
    let text = used_once().text().unwrap();
    for line in [
        "chatroom_router_records_total{outcome=\"judged\",topic=\"inbound-messages\"} 1",
        "chatroom_router_decisions_total{rule=\"I2\"} 0",
        "chatroom_router_unrouted_total{reason=\"NO_CONTACT\"} 0",
        "chatroom_router_auto_replies_total{outcome=\"SENT\"} 0",
        "chatroom_router_commands_total{code=\"BUSY\",status=\"REFUSED\",type=\"chatroom.create\"} 1",
        "chatroom_router_commands_total{code=\"\",status=\"APPLIED\",type=\"settings.put\"} 1",
        "chatroom_router_duplicates_total{kind=\"routed\"} 0",
        "chatroom_router_dead_letters_total{reason=\"NOT_JSON\"} 0",
        "chatroom_router_end_to_end_seconds_count 0",
        "chatroom_router_batch_records_count 0",
        "chatroom_router_transaction_seconds_count{phase=\"commit\"} 0",
        "chatroom_router_transactions_total{outcome=\"committed\"} 0",
        "chatroom_router_time_lag_seconds{partition=\"3\",topic=\"crm-changes\"} 1.5",
        "chatroom_router_offset_lag_records{partition=\"3\",topic=\"crm-changes\"} 0",
        "chatroom_router_index_lag_records{partition=\"3\"} 7",
        "chatroom_router_index_call_seconds_count{call=\"read\",outcome=\"ok\"} 1",
        "chatroom_router_restore_records_total 0",
        "chatroom_router_restore_remaining_records{partition=\"3\"} 9",
        "chatroom_router_restores_total{cause=\"assigned\"} 0",
        "chatroom_router_overlay_bytes 0",
        "chatroom_router_scrubbed_values_total 0",
        "chatroom_router_scrub_differences_total 0",
        "chatroom_router_timers_due_late_seconds 0",
        "chatroom_router_partitions_assigned 0",
        "chatroom_router_partitions_stopped 0",
        "chatroom_router_inputs_halted 0",
        "chatroom_router_topics_unfit 0",
        "chatroom_router_api_requests_total{route=\"POST /v1/orgs/{org}/chatrooms\",status=\"201\"} 1",
        "chatroom_router_api_request_seconds_count{route=\"GET /v1/orgs/{org}/settings\"} 0",
        "chatroom_router_api_waiting 0",
        "chatroom_router_rebalances_total 0",
        "chatroom_router_fences_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("chatroom_router_build_info{version="), "{text}");
    #[cfg(target_os = "linux")]
    assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
}

#[test]
fn a_partition_that_is_gone_is_not_shown() {
    let metrics = used_once();
    metrics.lag.forget_input(TopicKind::CrmChanges, 3);
    metrics.lag.forget_task(3);
    metrics.restores.forget(3);
    metrics.restores.forget(3);
    assert!(!metrics.text().unwrap().contains("partition=\"3\""));
}

#[test]
fn every_figure_says_when_to_look() {
    let text = used_once().text().unwrap();
    let ours = text.lines().filter(|line| line.starts_with("# HELP chatroom_router_"));
    for help in ours {
        let says = ["Alert:", "Watch:", "alert on", "Its rate"]
            .iter()
            .any(|word| help.contains(word));
        assert!(says, "{help}");
    }
}

fn assert_in_place<L: Label>() {
    for (place, label) in L::ALL.iter().enumerate() {
        assert_eq!(label.place(), place, "{}", label.name());
    }
}

#[test]
fn every_label_has_its_own_place() {
    assert_in_place::<TopicKind>();
    assert_in_place::<RecordOutcome>();
    assert_in_place::<Duplicate>();
    assert_in_place::<TransactionPhase>();
    assert_in_place::<TransactionOutcome>();
    assert_in_place::<IndexCall>();
    assert_in_place::<IndexOutcome>();
    assert_in_place::<RestoreCause>();
    assert_in_place::<Route>();
    assert_in_place::<HttpStatus>();
    assert_in_place::<RouteRule>();
    assert_in_place::<UnroutedReason>();
    assert_in_place::<AutoReplyOutcome>();
    assert_in_place::<CommandType>();
    assert_in_place::<Status>();
    assert_in_place::<Code>();
    assert_in_place::<Option<Code>>();
    assert_in_place::<DeadReason>();
}
