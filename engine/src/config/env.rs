//! What the environment may override: `ENFORCEGATE_<SECTION>_<KEY>` for every scalar key, and the
//! short names of the original (SPEC 2).

use super::fault::{ConfigFault, Origin, nearest};
use super::settings::{Given, Settings, find, read_text};
use super::v1::{CONNECTORS, KEYS, Key, Kind};

/// The prefix of the long names.
const PREFIX: &str = "ENFORCEGATE_";

/// The short names, and the section and key that each stands for.
const SHORT: &[(&str, &str, &str)] = &[
    ("ENFORCEGATE_CAPTIVE_BASE_URL", "captive_portal", "base_url"),
    ("ENGINE_CONTROL_API_IP", "control", "ip"),
    ("ENGINE_LICENSE_SERIAL", "license", "serial"),
    ("ENGINE_LICENSE_USERNAME", "license", "username"),
    ("ENGINE_LICENSE_PASSWORD", "license", "password"),
    ("ENGINE_APM_DIAGNOSTIC_FILE", "", "diagnostic_file"),
];

/// Names with our prefix that mean something else: what the first boot reads (SPEC 18).
const OTHERS: &[&str] = &["ENFORCEGATE_SSL_INSPECT", "ENFORCEGATE_SSL_INSPECT_ACK"];

/// A name that one key of the configuration listens to.
struct Name {
    name: String,
    connector: Option<String>,
    key: &'static Key,
}

/// Lays the environment over the file. Gives what an operator should be warned about, and faults.
pub(super) fn overlay(
    settings: &mut Settings,
    variables: &[(String, String)],
) -> (Vec<String>, Vec<ConfigFault>) {
    let names = names(settings);
    let mut warnings = Vec::new();
    let mut faults = Vec::new();
    // A key's short name first: where both are set, the long one says more exactly what is meant.
    for name in &names {
        let Some((_, value)) = variables.iter().find(|(variable, _)| *variable == name.name) else {
            continue;
        };
        let origin = Origin::Environment(name.name.clone());
        match read_text(name.key.kind, value) {
            Ok(raw) => {
                warnings.push(overridden(name, value));
                settings.override_with(name.connector.as_deref(), name.key, Given { raw, origin });
            }
            Err(message) => faults.push(ConfigFault { origin, message }),
        }
    }
    for (variable, _) in variables {
        let ours = variable.starts_with(PREFIX) && !OTHERS.contains(&variable.as_str());
        if ours && !names.iter().any(|name| name.name == *variable) {
            let near = nearest(variable, names.iter().map(|name| name.name.as_str()))
                .map_or_else(String::new, |near| format!("; the nearest is `{near}`"));
            warnings.push(format!("environment variable `{variable}` matches no key{near}"));
        }
    }
    (warnings, faults)
}

/// What is logged about an override: its name, and of a secret the length only.
fn overridden(name: &Name, value: &str) -> String {
    let target = match &name.connector {
        None => name.key.full_name(),
        Some(connector) => format!("[connectors.{connector}] {}", name.key.name),
    };
    let length = match name.key.kind {
        Kind::Secret => format!(" ({} characters)", value.chars().count()),
        Kind::Switch
        | Kind::Integer { .. }
        | Kind::Word(_)
        | Kind::Number(_)
        | Kind::Path
        | Kind::Address
        | Kind::Listen
        | Kind::Url
        | Kind::Zone
        | Kind::Text
        | Kind::Networks => String::new(),
    };
    format!("environment variable `{}` overrides `{target}`{length}", name.name)
}

/// Every name that means something, with the connectors of this file.
fn names(settings: &Settings) -> Vec<Name> {
    let short = SHORT.iter().filter_map(|(name, section, key)| {
        find(section, key).map(|key| Name { name: (*name).to_owned(), connector: None, key })
    });
    let long = KEYS.iter().filter(|key| key.kind != Kind::Networks).flat_map(|key| {
        let connectors: Vec<Option<String>> = match key.section {
            CONNECTORS => settings.connectors.iter().map(|(name, _)| Some(name.clone())).collect(),
            _ => vec![None],
        };
        connectors.into_iter().map(|connector| Name {
            name: long_name(connector.as_deref(), key),
            connector,
            key,
        })
    });
    short.chain(long).collect()
}

/// `ENFORCEGATE_<SECTION>_<KEY>`.
fn long_name(connector: Option<&str>, key: &Key) -> String {
    let section = match connector {
        Some(name) => format!("connectors_{name}_"),
        None if key.section.is_empty() => String::new(),
        None => format!("{}_", key.section),
    };
    let name = format!("{PREFIX}{section}{}", key.name);
    name.chars()
        .map(
            |letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::settings::Raw;
    use super::*;

    fn overlaid(
        file: &str,
        variables: &[(&str, &str)],
    ) -> (Settings, Vec<String>, Vec<ConfigFault>) {
        let (mut settings, faults) = super::super::file::read(file);
        assert_eq!(faults, []);
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let (warnings, faults) = overlay(&mut settings, &variables);
        (settings, warnings, faults)
    }

    #[test]
    fn a_variable_beats_the_file() {
        let (settings, warnings, faults) =
            overlaid("[global]\nthreads = 2\n", &[("ENFORCEGATE_GLOBAL_THREADS", "8")]);
        assert_eq!(faults, []);
        assert_eq!(settings.sections["global"].values["threads"].raw, Raw::Integer(8));
        assert_eq!(
            warnings,
            ["environment variable `ENFORCEGATE_GLOBAL_THREADS` overrides `[global] threads`"]
        );
    }

    #[test]
    fn connectors_are_reached_by_their_name() {
        let (settings, _, faults) = overlaid(
            "[connectors.squid-1]\nkey_file = \"x\"\n",
            &[("ENFORCEGATE_CONNECTORS_SQUID_1_KEY", "0123456789abcdef")],
        );
        assert_eq!(faults, []);
        let values = &settings.connectors[0].1.values;
        assert_eq!(values["key"].raw, Raw::Text("0123456789abcdef".to_owned()));
        assert!(!values.contains_key("key_file"), "of a pair the higher layer's counts");
    }

    #[test]
    fn short_names_work_and_long_ones_beat_them() {
        let (settings, warnings, _) = overlaid(
            "",
            &[
                ("ENFORCEGATE_CONTROL_IP", "127.0.0.2"),
                ("ENGINE_CONTROL_API_IP", "127.0.0.1"),
                ("ENGINE_LICENSE_PASSWORD", "hush-hush"),
            ],
        );
        assert_eq!(
            settings.sections["control"].values["ip"].raw,
            Raw::Text("127.0.0.2".to_owned())
        );
        assert!(warnings.iter().any(|line| line.ends_with("`[license] password` (9 characters)")));
        assert!(!warnings.iter().any(|line| line.contains("hush")), "{warnings:?}");
    }

    #[test]
    fn a_name_that_means_nothing_is_a_warning() {
        let (_, warnings, faults) = overlaid(
            "",
            &[
                ("ENFORCEGATE_GLOBAL_THREAD", "8"),
                ("ENFORCEGATE_SSL_INSPECT", "off"),
                ("PATH", "/"),
            ],
        );
        assert_eq!(faults, []);
        assert_eq!(
            warnings,
            [
                "environment variable `ENFORCEGATE_GLOBAL_THREAD` matches no key; the nearest is `ENFORCEGATE_GLOBAL_THREADS`"
            ]
        );
    }

    #[test]
    fn a_value_of_another_type_is_a_fault() {
        let (_, _, faults) = overlaid("", &[("ENFORCEGATE_GLOBAL_THREADS", "many")]);
        assert_eq!(faults[0].message, "`many` is not a whole number");
    }
}
