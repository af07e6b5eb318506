//! What operators see of sessions, and how they end one.

use super::*;

#[test]
fn a_session_is_seen_while_it_is_open_and_counts_what_it_answers() {
    let engine = Engine::start();
    let neighbors = engine.plane.neighbors();
    assert_eq!(neighbors.count(), 0);
    let mut client = engine.client();
    until(|| neighbors.count() == 1);
    let asked = [
        query(1, "http://games.example/"),
        query(2, "http://odd.example/"),
        query(3, "http://fine.example/"),
    ];
    client.ask(&asked);
    client.ask(&asked[..1]);
    // The counts are written behind the answers.
    until(|| neighbors.open()[0].work().batches == 2);
    let open = neighbors.open();
    let record = &open[0];
    assert_eq!(record.connector.as_str(), "squid");
    let work = record.work();
    assert_eq!((work.requests, work.permit, work.deny, work.warn, work.aup), (4, 1, 2, 1, 0));
    assert!(work.longest_us > 0 && work.quantile_us(99) <= work.longest_us, "{work:?}");
    assert!(record.idle() <= record.uptime());
    drop(client);
    until(|| neighbors.count() == 0);
    engine.stop();
}

#[test]
fn a_torn_session_is_answered_first_and_others_stay() {
    let engine = Engine::start();
    let neighbors = engine.plane.neighbors();
    let mut stays = engine.client();
    until(|| neighbors.count() == 1);
    let mut goes = engine.client();
    until(|| neighbors.count() == 2);
    let number = neighbors.open()[1].session;
    let asked: Vec<Query<'_>> = (0..500).map(|id| query(id, "http://games.example/")).collect();
    for _ in 0..4 {
        goes.send(&batch(&asked));
    }
    assert_eq!(neighbors.tear_down(|record| record.session == number), 1);
    let (mut answered, mut reason) = (0, None);
    while let Some((kind, body)) = goes.next() {
        match kind {
            FrameKind::Answers => answered += answers(&body).unwrap().count(),
            FrameKind::Close => reason = Some(Close::read(&body).unwrap().reason),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((answered, reason), (2000, Some(CloseReason::Teardown)));
    until(|| neighbors.count() == 1);
    assert_eq!(stays.ask(&[query(1, "http://games.example/")])[0].action, Action::Deny);
    // It may come again at once.
    engine.client();
    engine.stop();
}

#[test]
fn who_does_not_heed_the_farewell_is_cut_off() {
    let engine = Engine::start();
    let neighbors = engine.plane.neighbors();
    let mut client = engine.client();
    until(|| neighbors.count() == 1);
    let began = Instant::now();
    assert_eq!(neighbors.tear_down(|_| true), 1);
    let mut numbers = 0..;
    // It goes on asking, so that the session is never quiet.
    while client
        .tls
        .write_all(&batch(&[query(numbers.next().unwrap(), "http://a.example/")]))
        .is_ok()
        && client.tls.flush().is_ok()
        && neighbors.count() == 1
    {
        assert!(began.elapsed() < Duration::from_secs(20), "it is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    until(|| neighbors.count() == 0);
    engine.stop();
}

#[test]
fn refused_attempts_are_counted_by_reason() {
    let engine = Engine::start();
    let neighbors = engine.plane.neighbors();
    assert_eq!(neighbors.refused(), []);
    let reason = Client::connect(engine.address()).refusal("squid", OTHER_KEY);
    assert_eq!(reason, RefusedReason::WrongKey);
    until(|| neighbors.refused() == [("wrong-key", 1)]);
    engine.stop();
}
