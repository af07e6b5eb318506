//! Replays every seed and every input that the fuzzer ever found, and some thousand small changes of
//! them, so that CI holds what a long run found out.

use std::fs;
use std::path::PathBuf;

use crate::{TARGETS, Target};

/// Changed inputs a target, beside those in the folders.
const CHANGED: u64 = 5_000;

/// A folder of `fuzz/`. The variable is read at run time: one clone may run what another one built.
fn folder(kind: &str, target: &str) -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    PathBuf::from(own).join("..").join(kind).join(target)
}

fn inputs(kind: &str, target: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder(kind, target)) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        paths.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect();
    found.sort();
    found
}

fn replay(target: &Target, name: &str, bytes: &[u8]) {
    let outcome = std::panic::catch_unwind(|| (target.run)(bytes));
    assert!(outcome.is_ok(), "{}: {name}: `{}`", target.name, bytes.escape_ascii());
}

#[test]
fn every_target_has_seeds_that_hold() {
    for target in &TARGETS {
        let seeds = inputs("seeds", target.name);
        assert!(!seeds.is_empty(), "{}: no seeds", target.name);
        for (name, bytes) in &seeds {
            assert!(bytes.len() <= target.bytes_max, "{name} is longer than a run would take");
            replay(target, name, bytes);
        }
    }
}

#[test]
fn the_folders_are_those_of_the_targets() {
    for kind in ["seeds", "regressions"] {
        for entry in fs::read_dir(folder(kind, "")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(crate::find(&name).is_some(), "fuzz/{kind}/{name} is of no target");
        }
    }
}

#[test]
fn what_was_found_once_is_not_found_again() {
    for target in &TARGETS {
        for (name, bytes) in inputs("regressions", target.name) {
            replay(target, &name, &bytes);
        }
    }
}

#[test]
fn seeds_hold_with_small_changes() {
    for target in &TARGETS {
        let seeds = inputs("seeds", target.name);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut roll = |sides: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % sides.max(1)
        };
        for number in 0..CHANGED {
            let (_, seed) = &seeds[roll(seeds.len())];
            let (_, other) = &seeds[roll(seeds.len())];
            let mut bytes = seed.clone();
            for _ in 0..=roll(4) {
                let at = roll(bytes.len() + 1);
                match roll(5) {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, u8::try_from(roll(256)).unwrap()),
                    2 => bytes.extend_from_slice(&other[roll(other.len() + 1)..]),
                    3 => drop(bytes.drain(at..(at + roll(8)).min(bytes.len()))),
                    _ => {
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte ^= 1 << roll(8);
                        }
                    }
                }
            }
            bytes.truncate(target.bytes_max);
            replay(target, &format!("change {number}"), &bytes);
        }
    }
}
