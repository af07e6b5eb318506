//! Several engines: what is asked of the next one, when, and whose answer counts. The clock is a
//! variable.

use super::*;

const PATIENCE: Duration = Duration::from_millis(400);

/// Two or more engines that are up.
fn fleet(engines: usize) -> Bench {
    let mut bench = Bench::new(FailAction::Deny);
    (0..engines).for_each(|at| drop(bench.link_up_to(engine(at))));
    bench
}

impl Bench {
    /// What each engine is asked now, in this order: `3:First` is line 3 for the first time.
    fn round(&mut self, order: &[usize]) -> Vec<String> {
        self.round_with(order, usize::MAX)
    }

    fn round_with(&mut self, order: &[usize], room: usize) -> Vec<String> {
        let mut seen = Vec::new();
        for &at in order {
            let mut out = Vec::new();
            let link = engine(at);
            self.pipeline.write_queries(link, &mut out, room, self.now).unwrap();
            self.pipeline.write_again(link, &mut out, room, self.now).unwrap();
            for (_, retry, uri) in queries_of(out) {
                let host =
                    uri.trim_start_matches("http://host").trim_end_matches(".test/").to_owned();
                seen.push(format!("{at}<{host}:{retry:?}"));
            }
        }
        self.pipeline.park(self.now);
        seen
    }

    fn id_of(&self, channel: u64) -> u64 {
        let channel = crate::helper::ChannelId(channel);
        self.pipeline.desk.table.of_channel(channel).unwrap()
    }

    fn owed(&self) -> Vec<usize> {
        self.pipeline.load().owed.to_vec()
    }
}

#[test]
fn the_next_engine_is_asked_after_400_ms_and_not_before() {
    let mut bench = fleet(2);
    bench.feed(&line(1));
    assert_eq!(bench.round(&[0, 1]), ["0<1:First"]);
    assert_eq!(bench.pipeline.next_again(), Some(bench.now + PATIENCE));
    bench.later(PATIENCE - Duration::from_millis(1));
    assert!(bench.round(&[0, 1]).is_empty());
    bench.later(Duration::from_millis(1));
    assert_eq!(bench.round(&[0, 1]), ["1<1:Again"]);
    assert!(bench.round(&[0, 1]).is_empty(), "once is enough");
    assert_eq!(bench.owed()[..3], [1, 1, 0]);
}

#[test]
fn the_first_answer_counts_and_the_second_is_no_fault() {
    // Who answers first, and what it says.
    for (first, second, told) in
        [(0, 1, "1 OK eg_verdict_=permit"), (1, 0, "1 OK eg_verdict_=permit")]
    {
        let mut bench = fleet(2);
        bench.feed(&line(1));
        bench.round(&[0, 1]);
        bench.later(PATIENCE);
        bench.round(&[0, 1]);
        let id = bench.id_of(1);
        bench.answer_from(engine(first), &[(id, Action::Permit, "")]);
        assert_eq!(bench.said(), [told]);
        bench.answer_from(engine(second), &[(id, Action::Deny, "tok")]);
        assert!(bench.said().is_empty());
        let counters = bench.pipeline.counters();
        assert_eq!((counters.answers, counters.second, counters.late), (1, 1, 0));
        assert_eq!((counters.hedged, counters.asked_again), (1, 1));
        assert_eq!(bench.owed()[..2], [0, 0]);
        // A third is one that nobody asked for.
        bench.answer_from(engine(second), &[(id, Action::Deny, "tok")]);
        assert_eq!(bench.pipeline.counters().late, 1);
    }
}

#[test]
fn an_engine_may_answer_only_what_it_was_asked() {
    let mut bench = fleet(2);
    bench.feed(&line(1));
    bench.round(&[0, 1]);
    let id = bench.id_of(1);
    bench.answer_from(engine(1), &[(id, Action::Permit, "")]);
    assert!(bench.said().is_empty());
    assert_eq!(bench.pipeline.counters().late, 1);
    bench.answer_from(engine(0), &[(id, Action::Deny, "tok")]);
    assert_eq!(bench.said(), ["1 OK eg_verdict_=deny eg_token_=tok"]);
}

#[test]
fn an_engine_that_answers_twice_still_owes_the_rest() {
    let mut bench = fleet(2);
    bench.feed(&(line(1) + &line(2)));
    bench.round(&[0, 1]);
    let (first, second) = (bench.id_of(1), bench.id_of(2));
    let twice = [(first, Action::Permit, ""), (first, Action::Permit, ""), (7, Action::Permit, "")];
    bench.answer_from(engine(0), &twice);
    assert_eq!(bench.said(), ["1 OK eg_verdict_=permit"], "once, and only what was asked");
    assert_eq!((bench.owed()[0], bench.pipeline.room(engine(0), 1)), (1, 0));
    assert_eq!(bench.pipeline.counters().late, 2);
    bench.answer_from(engine(0), &[(second, Action::Deny, "tok")]);
    assert_eq!(bench.said(), ["2 OK eg_verdict_=deny eg_token_=tok"]);
    assert_eq!(bench.owed()[0], 0);
}

#[test]
fn a_lost_link_is_asked_elsewhere_at_once_unless_another_has_it_already() {
    let mut bench = fleet(2);
    bench.feed(&(line(1) + &line(2)));
    bench.round(&[0, 1]);
    bench.later(PATIENCE);
    bench.answer(&[(bench.id_of(2), Action::Permit, "")]);
    assert_eq!(bench.round(&[0, 1]), ["1<1:Again"]);
    bench.feed(&line(3));
    assert_eq!(bench.round(&[0, 1]), ["0<3:First"]);
    bench.pipeline.link_down(engine(0));
    assert_eq!(bench.round(&[1]), ["1<3:Again"], "1 is with it already");
    assert_eq!(bench.owed()[..2], [0, 2]);
    bench.pipeline.link_down(engine(1));
    bench.link_up_to(engine(0));
    assert_eq!(bench.round(&[0]), ["0<1:Again", "0<3:Again"], "in the order of arrival");
}

#[test]
fn with_two_silent_engines_the_third_is_asked_within_the_deadline() {
    let mut bench = fleet(3);
    bench.feed(&line(1));
    assert_eq!(bench.round(&[0, 1, 2]), ["0<1:First"]);
    bench.later(PATIENCE);
    assert_eq!(bench.round(&[1, 2, 0]), ["1<1:Again"]);
    bench.later(PATIENCE);
    assert_eq!(bench.round(&[2, 0, 1]), ["2<1:Again"]);
    bench.answer_from(engine(2), &[(bench.id_of(1), Action::Permit, "")]);
    assert_eq!(bench.said(), ["1 OK eg_verdict_=permit"]);
}

#[test]
fn what_every_engine_was_asked_waits_for_another_link_without_waking_anybody() {
    let mut bench = fleet(2);
    bench.feed(&line(1));
    bench.round(&[0, 1]);
    bench.later(PATIENCE);
    bench.round(&[0, 1]);
    bench.later(PATIENCE);
    assert!(bench.round(&[0, 1]).is_empty());
    assert_eq!(bench.pipeline.next_again(), None);
    bench.link_up_to(engine(2));
    assert_eq!(bench.round(&[2, 0, 1]), ["2<1:Again"], "at once, it has waited for long");
    bench.later(TIMEOUT - 2 * PATIENCE);
    assert_eq!(bench.said(), ["1 OK eg_verdict_=deny eg_token_=timeout"]);
}

#[test]
fn a_crowded_engine_is_offered_the_rest_later() {
    let mut bench = fleet(2);
    bench.feed(&(line(1) + &line(2) + &line(3)));
    bench.round(&[0, 1]);
    bench.later(PATIENCE);
    assert_eq!(bench.round_with(&[1], 2), ["1<1:Again", "1<2:Again"]);
    bench.answer_from(engine(1), &[(bench.id_of(1), Action::Permit, "")]);
    assert!(bench.round(&[1]).is_empty(), "set aside");
    bench.pipeline.recall();
    assert_eq!(bench.round(&[1]), ["1<3:Again"]);
}

#[test]
fn what_the_best_has_no_room_for_the_next_is_asked() {
    let mut bench = fleet(2);
    bench.feed(&(line(1) + &line(2) + &line(3)));
    assert_eq!(bench.round_with(&[1, 0], 2), ["1<1:First", "1<2:First", "0<3:First"]);
}

#[test]
fn an_expired_request_is_owed_until_its_answer_comes() {
    let mut bench = fleet(1);
    bench.feed(&line(1));
    let ids = bench.ids();
    bench.later(TIMEOUT);
    assert_eq!(bench.said(), ["1 OK eg_verdict_=deny eg_token_=timeout"]);
    assert_eq!(bench.owed()[..1], [1]);
    bench.answer(&[(ids[0], Action::Permit, "")]);
    assert_eq!((bench.owed()[0], bench.pipeline.counters().late), (0, 1));
}

/// What an engine does from some moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// It answers at once.
    Quick,
    /// It reads and says nothing; what it was asked it answers when it is quick again.
    Silent,
    /// Its link is gone.
    Gone,
}

/// Three engines of made-up moods; the last is always quick.
struct Play {
    bench: Bench,
    moods: [Mood; 3],
    /// What each was asked on its present link and has not answered.
    owed: [Vec<u64>; 3],
}

impl Play {
    fn new() -> Self {
        Self { bench: fleet(3), moods: [Mood::Quick; 3], owed: Default::default() }
    }

    fn turn(&mut self, at: usize, mood: Mood) {
        match (self.moods[at], mood) {
            (Mood::Gone, Mood::Gone) => {}
            (Mood::Quick | Mood::Silent, Mood::Gone) => {
                self.owed[at].clear();
                self.bench.pipeline.link_down(engine(at));
            }
            (Mood::Gone, Mood::Quick | Mood::Silent) => drop(self.bench.link_up_to(engine(at))),
            (Mood::Quick | Mood::Silent, Mood::Quick | Mood::Silent) => {}
        }
        self.moods[at] = mood;
    }

    /// Asks as the loop does, in any order of the links, and has the quick ones answer.
    fn step(&mut self, order: [usize; 3]) {
        for at in order {
            if self.moods[at] == Mood::Gone {
                continue;
            }
            let mut out = Vec::new();
            let (pipeline, now) = (&mut self.bench.pipeline, self.bench.now);
            pipeline.write_queries(engine(at), &mut out, usize::MAX, now).unwrap();
            pipeline.write_again(engine(at), &mut out, usize::MAX, now).unwrap();
            self.owed[at].extend(queries_of(out).into_iter().map(|(id, ..)| id));
        }
        self.bench.pipeline.park(self.bench.now);
        for at in order {
            if self.moods[at] == Mood::Quick && !self.owed[at].is_empty() {
                let answers: Vec<_> =
                    self.owed[at].drain(..).map(|id| (id, Action::Permit, "")).collect();
                self.bench.answer_from(engine(at), &answers);
            }
        }
        let owed: Vec<usize> = self.owed.iter().map(Vec::len).collect();
        assert_eq!(self.bench.owed()[..3], owed);
    }
}

proptest::proptest! {
    #[test]
    fn one_quick_engine_is_enough(
        steps in proptest::collection::vec((0..4_u8, 0..2_usize, 0..3_u8, 0..6_usize), 1..120)
    ) {
        const ORDERS: [[usize; 3]; 6] =
            [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let mut play = Play::new();
        let mut told = Vec::new();
        let mut lines = 0;
        for (kind, at, mood, order) in steps {
            match kind {
                0 | 1 => {
                    lines += 1;
                    play.bench.feed(&line(lines));
                }
                2 => play.turn(at, [Mood::Quick, Mood::Silent, Mood::Gone][usize::from(mood)]),
                _ => play.bench.later(PATIENCE / 3),
            }
            play.step(ORDERS[order]);
            told.extend(play.bench.said());
        }
        // The deadline is five times the patience: two silent engines leave enough of it.
        for _ in 0..9 {
            play.bench.later(PATIENCE / 3);
            play.step(ORDERS[0]);
            told.extend(play.bench.said());
        }
        let mut expected: Vec<String> =
            (1..=lines).map(|id| format!("{id} OK eg_verdict_=permit")).collect();
        told.sort();
        expected.sort();
        proptest::prop_assert_eq!(told, expected);
        let counters = play.bench.pipeline.counters();
        proptest::prop_assert_eq!((counters.broken, counters.late, counters.answers), (0, 0, lines));
    }
}
