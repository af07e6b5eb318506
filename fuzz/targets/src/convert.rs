//! What other filters are told: any bytes are faults, or a policy whose text is read again without a fault
//! and has every name once. The first byte is the format; a line of `===` parts the configuration from
//! what every list that it names holds.

use std::collections::HashSet;
use std::path::Path;

use eg_ctl::egpolicy::convert::{From, Input, Setting, convert};
use eg_policy::diagnostic::Severity;
use eg_policy::syntax::{parse, print};

struct Files<'a> {
    configuration: &'a [u8],
    list: &'a [u8],
}

impl Input for Files<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        match path == Path::new("/conf") {
            true => Ok(self.configuration.to_vec()),
            false => Ok(self.list.to_vec()),
        }
    }

    fn folder(&self, _: &Path) -> Result<Vec<String>, String> {
        let names = ["bannedsitelist", "exceptionurllist", "bannedregexpurllist", "bannediplist"];
        Ok(names.map(str::to_owned).to_vec())
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let Some((format, bytes)) = bytes.split_first() else { return };
    let from = match format % 5 {
        0 => From::SquidGuard,
        1 => From::UfdbGuard,
        2 => From::E2guardian,
        3 => From::Hosts,
        _ => From::Adblock,
    };
    let parting = b"\n===\n";
    let at = bytes.windows(parting.len()).position(|part| part == parting);
    let (configuration, list) = match at {
        Some(at) => {
            let (configuration, list) = bytes.split_at(at);
            (configuration, list.strip_prefix(parting).unwrap_or_default())
        }
        None => (bytes, bytes),
    };
    let files = Files { configuration, list };
    let path = match from {
        From::E2guardian => "/lists",
        From::SquidGuard | From::UfdbGuard | From::Hosts | From::Adblock => "/conf",
    };
    match convert(from, Path::new(path), &files, &Setting::utc(2026)) {
        Err(faults) => {
            assert!(!faults.is_empty());
            let own = faults.iter().find(|fault| fault.what.starts_with("the converter wrote"));
            assert!(own.is_none(), "{own:?}");
        }
        Ok(converted) => {
            let (ast, faults) = parse("converted.policy", &converted.text);
            let fault = faults.iter().find(|fault| fault.severity == Severity::Error);
            assert!(fault.is_none(), "{fault:?}\n{}", converted.text);
            assert_eq!(print(&ast), converted.text);
            let names = converted.text.lines().filter_map(|line| line.strip_suffix(": {"));
            let names: Vec<&str> = names.filter(|name| !name.starts_with(' ')).collect();
            let once: HashSet<&&str> = names.iter().collect();
            assert_eq!(once.len(), names.len(), "{}", converted.text);
        }
    }
}
