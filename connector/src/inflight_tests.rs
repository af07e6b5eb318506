//! The table against its obvious twin, and its bounds.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn insert(table: &mut InFlight, channel: u64, deadline: Instant) -> u64 {
    let mut request = Question::default();
    let line = format!("http://host{channel}.test/ 192.0.2.1 1 - GET - - - - -");
    crate::rewrite::read(&mut request, line.as_bytes()).unwrap();
    table.insert(Channel::Numbered(ChannelId(channel)), deadline, &mut request);
    table.newest().unwrap()
}

fn drain(table: &mut InFlight) -> Vec<(u64, Retry)> {
    let mut seen = Vec::new();
    while let Some(query) = table.next_unsent() {
        seen.push((query.id, query.retry));
        table.mark_sent();
    }
    seen
}

#[test]
fn sends_in_order_and_again_after_a_lost_link() {
    let (mut table, now) = (InFlight::default(), Instant::now());
    let ids: Vec<u64> = (0..4).map(|channel| insert(&mut table, channel, now)).collect();
    assert_eq!(table.remove_asked(ids[0]), None, "not asked yet");
    let first = |id| (id, Retry::First);
    assert_eq!(drain(&mut table), ids.iter().copied().map(first).collect::<Vec<_>>());
    assert!(table.remove_asked(ids[1]).is_some());
    let late = insert(&mut table, 9, now);
    assert_eq!(table.unsend(), 3);
    assert_eq!(table.sent(), 0);
    let again = |id| (id, Retry::Again);
    assert_eq!(drain(&mut table), [again(ids[0]), again(ids[2]), again(ids[3]), first(late)]);
}

#[test]
fn an_id_never_comes_back() {
    let (mut table, now) = (InFlight::default(), Instant::now());
    let first = insert(&mut table, 1, now);
    assert!(table.remove(first).is_some());
    let second = insert(&mut table, 1, now);
    assert_ne!(first, second);
    assert_eq!(table.remove(first), None);
    assert_eq!(table.remove(0), None);
    assert_eq!(table.remove(u64::MAX), None);
    assert_eq!(table.of_channel(ChannelId(1)), Some(second));
}

#[test]
fn is_bounded_by_slots_and_by_bytes() {
    let (mut table, now) = (InFlight::default(), Instant::now());
    let mut channel = 0;
    while table.has_room() {
        channel += 1;
        insert(&mut table, channel, now);
    }
    assert_eq!(table.outstanding(), SLOTS_MAX);
    let mut table = InFlight::default();
    let line = format!("http://a/{} 192.0.2.1 1 - GET - - - - -", "x".repeat(9_000));
    while table.has_room() {
        let mut request = Question::default();
        crate::rewrite::read(&mut request, line.as_bytes()).unwrap();
        channel += 1;
        table.insert(Channel::Numbered(ChannelId(channel)), now, &mut request);
    }
    assert!(table.outstanding() < SLOTS_MAX);
    let (oldest, _) = table.oldest().unwrap();
    assert!(table.remove(oldest).is_some());
    assert!(table.has_room());
}

proptest! {
    #[test]
    fn is_a_queue_with_holes(steps in proptest::collection::vec((0..5_u8, any::<u16>()), 0..200)) {
        let (mut table, start) = (InFlight::default(), Instant::now());
        // The twin: id, asked, asked before; oldest first.
        let mut twin: Vec<(u64, bool, bool)> = Vec::new();
        let mut channel = 0;
        for (step, number) in steps {
            match step {
                0 | 1 => {
                    channel += 1;
                    let deadline = start + Duration::from_millis(channel);
                    twin.push((insert(&mut table, channel, deadline), false, false));
                }
                2 => if !twin.is_empty() {
                    let (id, asked, _) = twin.remove(usize::from(number) % twin.len());
                    let stage = if asked { Stage::Sent } else { Stage::Waiting };
                    prop_assert_eq!(table.remove(id).map(|removed| removed.stage), Some(stage));
                },
                3 => if let Some(next) = twin.iter_mut().find(|entry| !entry.1) {
                    let query = table.next_unsent().unwrap();
                    let retry = if next.2 { Retry::Again } else { Retry::First };
                    prop_assert_eq!((query.id, query.retry), (next.0, retry));
                    table.mark_sent();
                    (next.1, next.2) = (true, true);
                } else {
                    prop_assert!(table.next_unsent().is_none());
                },
                _ => {
                    prop_assert_eq!(table.unsend(), twin.iter().filter(|entry| entry.1).count());
                    for entry in &mut twin { entry.1 = false; }
                }
            }
            prop_assert_eq!(table.outstanding(), twin.len());
            prop_assert_eq!(table.sent(), twin.iter().filter(|entry| entry.1).count());
            prop_assert_eq!(table.oldest().map(|(id, _)| id), twin.first().map(|entry| entry.0));
        }
    }
}
