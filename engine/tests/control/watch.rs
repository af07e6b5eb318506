//! `watch = true`: files that change are loaded, once, when they are whole.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use super::ask::{get, trail};
use crate::{Engine, Home, PATIENCE};

/// An engine that watches, with the reload that it begins with behind it.
fn watching() -> (Home, Engine) {
    let home = Home::new();
    home.list("ads", 100);
    home.rule("ads", "ads");
    let text = fs::read_to_string(home.path("engine.conf")).unwrap();
    home.write("engine.conf", &text.replace("[policy]\n", "[policy]\nwatch = true\n"), 0o640);
    let engine = home.start();
    wait_for_reloads(&home, 1);
    (home, engine)
}

/// Waits until the trail has this many reloads, and gives the outcome of the last.
fn wait_for_reloads(home: &Home, count: usize) -> String {
    let began = Instant::now();
    loop {
        let entries = trail(home, "reload");
        assert!(entries.len() <= count, "more than {count}: {entries:?}");
        if entries.len() == count {
            assert!(entries.iter().all(|entry| entry["by"] == "watch"), "{entries:?}");
            let outcome = entries.last().and_then(|entry| entry.get("outcome"));
            return outcome.and_then(serde_json::Value::as_str).unwrap().to_owned();
        }
        assert!(began.elapsed() < PATIENCE, "no reload {count}: {entries:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits long enough for a reload that should not come.
fn nothing_more(home: &Home, count: usize) {
    std::thread::sleep(Duration::from_secs(3));
    wait_for_reloads(home, count);
}

#[test]
fn what_an_editor_saves_is_loaded() {
    let (home, engine) = watching();
    // As an editor saves: another file, then its name; and what it leaves behind is no change.
    fs::write(home.path("rules.d/.games.tmp"), "games: {\n match-domain: a.example\n}\n").unwrap();
    fs::rename(home.path("rules.d/.games.tmp"), home.path("rules.d/games.policy")).unwrap();
    fs::write(home.path("rules.d/games.policy~"), "old").unwrap();
    assert_eq!(wait_for_reloads(&home, 2), "live");
    assert_eq!(get(&home, "policy").body["rules"], 2);
    fs::remove_file(home.path("rules.d/games.policy~")).unwrap();
    fs::create_dir(home.path("rules.d/.git")).unwrap();
    fs::write(home.path("rules.d/.git/index"), "x").unwrap();
    nothing_more(&home, 2);
    // A list outside of the folder.
    home.list("ads", 120);
    assert_eq!(wait_for_reloads(&home, 3), "live");
    assert_eq!(get(&home, "policy").body["names"], 120);
    nothing_more(&home, 3);
    engine.stop();
}

#[test]
fn a_file_that_is_still_written_is_waited_for() {
    let (home, engine) = watching();
    let mut file = fs::File::create(home.path("rules.d/long.policy")).unwrap();
    for part in 0..8 {
        write!(file, "long-{part}: {{\n match-domain: d{part}.example\n").unwrap();
        file.flush().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        writeln!(file, "}}").unwrap();
    }
    drop(file);
    assert_eq!(wait_for_reloads(&home, 2), "live");
    assert_eq!(get(&home, "policy").body["rules"], 9);
    nothing_more(&home, 2);
    engine.stop();
}

#[test]
fn a_fault_keeps_the_policy_and_is_said_once() {
    let (home, engine) = watching();
    let before = get(&home, "policy").body["digest"].clone();
    home.write("rules.d/bad.policy", "bad: {\n", 0o640);
    assert_eq!(wait_for_reloads(&home, 2), "refused");
    nothing_more(&home, 2);
    assert_eq!(get(&home, "policy").body["digest"], before);
    assert_eq!(engine.text().matches("the policy was not reloaded").count(), 1);
    home.write("rules.d/bad.policy", "good: {\n match-domain: good.example\n}\n", 0o640);
    assert_eq!(wait_for_reloads(&home, 3), "live");
    engine.stop();
}

#[test]
fn what_changed_while_no_engine_ran_is_loaded_at_the_start() {
    let (home, engine) = watching();
    engine.stop();
    home.list("games", 10);
    home.rule("games", "games");
    let engine = home.start();
    assert_eq!(wait_for_reloads(&home, 2), "live");
    assert_eq!(get(&home, "policy").body["rules"], 2);
    // Who watches spends no time on it: some looks a minute.
    let stat = fs::read_to_string(format!("/proc/{}/stat", engine.child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |fields: &[&str]| -> u64 {
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks(&fields);
    std::thread::sleep(Duration::from_secs(2));
    let stat = fs::read_to_string(format!("/proc/{}/stat", engine.child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    assert!(ticks(&fields) - before < 20, "a tenth of a core at most");
    engine.stop();
}
