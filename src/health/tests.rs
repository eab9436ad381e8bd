//! What the probes say of what the workers said.

use super::*;

fn running() -> (Health, Arc<Worker>) {
    let health = Health::new();
    let worker = health.add_worker();
    worker.assigned();
    worker.partition(3, Partition::Running);
    worker.kafka(Answer::Yes);
    worker.index(Answer::Yes);
    (health, worker)
}

#[test]
fn a_worker_is_ready_when_all_of_it_is() {
    assert!(!Health::new().ready().is_fine());
    type Step = fn(&Worker);
    let rows: &[(Step, &str)] = &[
        (
            |worker| worker.partition(3, Partition::Restoring(7)),
            "wait restored: partition 3 has 7 offsets to replay",
        ),
        (
            |worker| worker.partition(4, Partition::Stopped("the marker is ahead of the changelog".into())),
            "wait restored: partition 4 is stopped: the marker is ahead of the changelog",
        ),
        (
            |worker| worker.kafka(Answer::No("no broker".into())),
            "wait kafka: worker 0: no broker",
        ),
        (
            |worker| worker.index(Answer::Unknown),
            "wait index: worker 0 has no answer yet",
        ),
        (
            |worker| assert!(worker.halted("in", 3, "too many are bad".into())),
            "wait inputs: in-3 is halted: too many are bad",
        ),
        (
            |worker| {
                worker.halted("in", 3, "too many are bad".into());
                assert!(worker.halt_over("in", 3));
            },
            "ok   inputs: all are read",
        ),
        (Worker::draining, "wait assigned: worker 0 drains"),
        (|_| {}, "ok   assigned: 1 partitions"),
    ];
    for (step, line) in rows {
        let (health, worker) = running();
        assert!(health.ready().is_fine());
        step(&worker);
        let report = health.ready();
        assert!(
            report.to_string().lines().any(|found| found == *line),
            "{line} is not in\n{report}"
        );
        assert_eq!(report.is_fine(), !line.starts_with("wait"), "{line}");
    }
}

#[test]
fn a_loop_that_does_not_turn_is_dead_until_it_does() {
    let (health, worker) = running();
    let later = health.start + HEARTBEAT_DEADLINE + Duration::from_secs(30);
    assert!(!health.live(later).is_fine());
    worker.beat_at(later);
    assert!(health.live(later).is_fine());
}

#[test]
fn a_loop_that_ended_as_it_should_need_not_turn() {
    let (health, worker) = running();
    worker.ended();
    assert!(health.live(health.start + 2 * HEARTBEAT_DEADLINE).is_fine());
}

#[test]
fn a_process_that_only_serves_is_not_ready_before_its_api_has_heard_of_both() {
    let health = Health::of(0, true);
    assert!(!health.ready().is_fine(), "the API does not even listen");
    let api = health.api();
    api.kafka(Answer::Yes);
    assert!(!health.ready().is_fine());
    api.index(Answer::Yes);
    assert!(health.ready().is_fine());
}
