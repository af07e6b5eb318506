//! What the environment may override: `<PREFIX><SECTION>_<KEY>` for every scalar key, and the short
//! names of the description (SPEC 2).

use crate::fault::{ConfigFault, Origin, nearest};
use crate::given::{Given, Settings, read_text};
use crate::key::{Description, Environment, Key, Kind, label};

/// A name that one key of the configuration listens to.
struct Name {
    name: String,
    /// Of a family's section, its name.
    of: Option<String>,
    key: &'static Key,
}

/// Lays the environment over the file. Gives what an operator should be warned about, and faults.
pub(crate) fn overlay(
    description: &Description,
    settings: &mut Settings,
    variables: &[(String, String)],
) -> (Vec<String>, Vec<ConfigFault>) {
    let Some(environment) = &description.environment else { return (Vec::new(), Vec::new()) };
    let names = names(description, environment, settings);
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
                let given = Given { raw, origin };
                settings.override_with(description, name.of.as_deref(), name.key, given);
            }
            Err(message) => faults.push(ConfigFault { origin, message }),
        }
    }
    for (variable, _) in variables {
        let ours = variable.starts_with(environment.prefix)
            && !environment.others.contains(&variable.as_str());
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
    let target = match &name.of {
        None => name.key.full_name(),
        Some(of) => format!("{} {}", label(name.key.section, Some(of)), name.key.name),
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

/// Every name that means something, with the families' members of this file.
fn names(description: &Description, environment: &Environment, settings: &Settings) -> Vec<Name> {
    let short = environment.short.iter().filter_map(|short| {
        let key = description.find(short.section, short.key)?;
        Some(Name { name: short.name.to_owned(), of: None, key })
    });
    let scalars = description.keys.iter().filter(|key| key.kind != Kind::Networks);
    let long = scalars.flat_map(|key| {
        let members: Vec<Option<String>> = if description.is_family(key.section) {
            let members = settings.named.iter().filter(|named| named.family == key.section);
            members.map(|named| Some(named.name.clone())).collect()
        } else {
            vec![None]
        };
        members.into_iter().map(|of| Name {
            name: long_name(environment.prefix, of.as_deref(), key),
            of,
            key,
        })
    });
    short.chain(long).collect()
}

/// `<PREFIX><SECTION>_<KEY>`.
fn long_name(prefix: &str, of: Option<&str>, key: &Key) -> String {
    let section = match key.section {
        "" => String::new(),
        section => format!("{}_", label(section, of).trim_matches(['[', ']'])),
    };
    let name = format!("{prefix}{section}{}", key.name);
    name.chars()
        .map(
            |letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::EXAMPLE;
    use crate::given::Raw;

    fn overlaid(
        file: &str,
        variables: &[(&str, &str)],
    ) -> (Settings, Vec<String>, Vec<ConfigFault>) {
        let (mut settings, faults) = crate::file::read(&EXAMPLE, file).unwrap();
        assert_eq!(faults, []);
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let (warnings, faults) = overlay(&EXAMPLE, &mut settings, &variables);
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
        let values = &settings.named[0].section.values;
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
