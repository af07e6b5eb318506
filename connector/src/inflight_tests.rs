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
        table.mark_sent(link(0), Instant::now());
    }
    seen
}

#[test]
fn sends_in_order_and_again_after_a_lost_link() {
    let (mut table, now) = (InFlight::default(), Instant::now());
    let ids: Vec<u64> = (0..4).map(|channel| insert(&mut table, channel, now)).collect();
    assert_eq!(table.remove_asked(ids[0], link(0)), None, "not asked yet");
    let first = |id| (id, Retry::First);
    assert_eq!(drain(&mut table), ids.iter().copied().map(first).collect::<Vec<_>>());
    assert!(table.remove_asked(ids[1], link(0)).is_some());
    let late = insert(&mut table, 9, now);
    assert_eq!(table.unsend(link(1)), 0);
    assert_eq!(table.unsend(link(0)), 3);
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

fn link(at: usize) -> LinkNumber {
    LinkNumber::first(3).nth(at).unwrap()
}

/// A request of the twin: the obvious way to keep what the table keeps in lists.
#[derive(Debug, Clone)]
struct Twin {
    id: u64,
    asked: [bool; 3],
    retry: Retry,
    /// When it was asked last; `None` while it waits.
    asked_at: Option<Instant>,
    /// The order of asking, since many are asked at one time.
    turn: u64,
    parked: bool,
}

#[derive(Debug, Default)]
struct Twins {
    entries: Vec<Twin>,
    turns: u64,
}

impl Twins {
    fn ask(&mut self, at: usize, over: usize, now: Instant) {
        self.turns += 1;
        let turn = self.turns;
        let entry = &mut self.entries[at];
        entry.asked[over] = true;
        (entry.asked_at, entry.turn, entry.parked) = (Some(now), turn, false);
    }

    /// Those that are due for another engine over `over`, in the order of asking.
    fn due(&self, over: usize, before: Instant) -> Vec<usize> {
        let mut due: Vec<usize> = (0..self.entries.len())
            .filter(|&at| {
                let entry = &self.entries[at];
                entry.asked_at.is_some_and(|asked_at| asked_at <= before)
                    && !entry.parked
                    && !entry.asked[over]
            })
            .collect();
        due.sort_by_key(|&at| self.entries[at].turn);
        due
    }
}

proptest! {
    #[test]
    fn is_what_its_twin_is(steps in proptest::collection::vec((0..9_u8, any::<u16>()), 0..200)) {
        let (mut table, start) = (InFlight::default(), Instant::now());
        let mut twins = Twins::default();
        let mut channel = 0;
        let mut now = start;
        for (step, number) in steps {
            now += Duration::from_millis(1);
            let over = usize::from(number) % 3;
            match step {
                0..=2 => {
                    channel += 1;
                    let id = insert(&mut table, channel, start + Duration::from_millis(channel));
                    let (asked, retry) = ([false; 3], Retry::First);
                    twins.entries.push(Twin { id, asked, retry, asked_at: None, turn: 0, parked: false });
                }
                3 => if !twins.entries.is_empty() {
                    let entry = twins.entries.remove(usize::from(number) % twins.entries.len());
                    let removed = match entry.asked[over] {
                        true => table.remove_asked(entry.id, link(over)),
                        false => {
                            prop_assert_eq!(table.remove_asked(entry.id, link(over)), None);
                            table.remove(entry.id)
                        }
                    };
                    let asked: Vec<usize> = removed.unwrap().asked.iter().map(LinkNumber::place).collect();
                    let expected: Vec<usize> = (0..3).filter(|&at| entry.asked[at]).collect();
                    prop_assert_eq!(asked, expected);
                },
                4 | 5 => {
                    let next = twins.entries.iter().position(|entry| entry.asked_at.is_none());
                    let expected = next.map(|at| (twins.entries[at].id, twins.entries[at].retry));
                    prop_assert_eq!(table.next_unsent().map(|query| (query.id, query.retry)), expected);
                    table.mark_sent(link(over), now);
                    if let Some(at) = next { twins.ask(at, over, now); }
                }
                6 => {
                    let before = now - Duration::from_millis(u64::from(number) % 8);
                    let mut asked = Vec::new();
                    table.ask_again(link(over), before, now, |query| { asked.push(query.id); Some(()) });
                    let due = twins.due(over, before);
                    let expected: Vec<u64> = due.iter().map(|&at| twins.entries[at].id).collect();
                    for at in due {
                        twins.entries[at].retry = Retry::Again;
                        twins.ask(at, over, now);
                    }
                    prop_assert_eq!(asked, expected);
                }
                7 => {
                    table.unsend(link(over));
                    for entry in &mut twins.entries {
                        if std::mem::take(&mut entry.asked[over]) {
                            entry.retry = Retry::Again;
                            if entry.asked == [false; 3] { entry.asked_at = None; }
                        }
                        entry.parked &= entry.asked_at.is_some();
                    }
                }
                _ => if number.is_multiple_of(2) {
                    table.park(now);
                    for entry in &mut twins.entries { entry.parked = entry.asked_at.is_some(); }
                } else {
                    table.recall();
                    for entry in &mut twins.entries { entry.parked = false; }
                    // What comes back stands before what was asked since, as its time does.
                }
            }
            prop_assert_eq!(table.outstanding(), twins.entries.len());
            prop_assert_eq!(table.oldest().map(|(id, _)| id), twins.entries.first().map(|entry| entry.id));
            let first = twins.entries.iter().filter(|entry| !entry.parked).filter_map(|entry| entry.asked_at).min();
            prop_assert_eq!(table.asked_first(), first);
        }
    }
}
