//! Hosts files: names that lead to nowhere, as one list and one rule.
//!
//! A hosts file knows no names below a name, so each entry is that host alone.

use std::net::IpAddr;
use std::path::Path;

use super::draft::{Draft, DraftList, DraftRule, ListForm, State, Then, What, Who};
use super::input::Input;
use super::names::{Names, numbered};
use super::report::{Fault, Kind, Place, Report};
use super::times::Times;

/// Names that every hosts file has for the machine itself.
const OWN: &[&str] = &[
    "localhost",
    "localhost.localdomain",
    "local",
    "broadcasthost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-allhosts",
    "0.0.0.0",
];

/// A hosts file as a draft.
pub(crate) fn draft(path: &Path, input: &dyn Input) -> (Draft, Vec<Fault>) {
    let shown = path.display().to_string();
    let text = match read(path, input) {
        Ok(text) => text,
        Err(fault) => return (Draft::default(), vec![fault]),
    };
    let mut report = Report::default();
    let mut names = Names::default();
    for (number, line) in numbered(&text) {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        let place = Place::new(&shown, number);
        let Ok(address) = first.parse::<IpAddr>() else {
            report.add(Kind::Entry, &place, format!("no address and name: {line}"));
            continue;
        };
        let dead = address.is_unspecified() || address.is_loopback();
        for name in words {
            let name = name.to_ascii_lowercase();
            if OWN.contains(&name.as_str()) {
                continue;
            }
            match dead {
                true => names.add(&format!("={name}"), &place),
                false => report.add(Kind::RealAddress, &place, format!("{address} {name}")),
            }
        }
    }
    let place = Place::new(&shown, 0);
    let Some(bytes) = names.finish(ListForm::Plain, &mut report) else { return nothing(place) };
    let mut lists = Vec::new();
    let what = listed(&mut lists, "hosts.txt", bytes);
    (Draft { rules: vec![denial("hosts", &place, what, Vec::new())], lists, report }, Vec::new())
}

/// The text of an input, or why there is none.
pub(super) fn read(path: &Path, input: &dyn Input) -> Result<String, Fault> {
    let place = Place::new(&path.display().to_string(), 0);
    let bytes = input.read(path);
    let bytes = bytes.map_err(|why| Fault { place, what: format!("cannot be read: {why}") })?;
    Ok(String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').to_owned())
}

/// A list file as what a rule asks for.
pub(super) fn listed(lists: &mut Vec<DraftList>, file: &str, bytes: Vec<u8>) -> What {
    let path = format!("lists/{file}");
    lists.push(DraftList { path: path.clone(), bytes });
    What::Lists(vec![(path, ListForm::Plain)])
}

/// A rule that denies everybody what it asks for, without what is excepted.
pub(super) fn denial(name: &str, place: &Place, what: What, except: Vec<What>) -> DraftRule {
    DraftRule {
        name: name.to_owned(),
        place: place.clone(),
        who: Who::default(),
        what,
        except,
        when: Times::always(),
        then: Then::Deny,
        description: None,
        state: State::On,
    }
}

/// The fault of an input that would become no rule.
pub(super) fn nothing(place: Place) -> (Draft, Vec<Fault>) {
    let what = "nothing in it blocks anything; is it the right format?".to_owned();
    (Draft::default(), vec![Fault { place, what }])
}
