//! Which scanner the regexes of this run go to: asked once, at the start.

use eg_policy::regex::{Backend, LibraryVersion, SelfTestFault, library, self_test};

use crate::config::RegexBackend;

/// Why the scanner that was asked for cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BackendFault {
    /// The library is not one whose answers were tried.
    #[error(
        "`regex_backend` is `hyperscan`, and this library was never tried: {version}; use the \
         package's own build, or set `auto` or `regex`"
    )]
    Unknown {
        /// What it says of itself.
        version: LibraryVersion,
    },
    /// It gives wrong answers.
    #[error(
        "`regex_backend` is `hyperscan`, which fails its self-test here; set `regex`, and report it"
    )]
    Wrong(#[source] SelfTestFault),
    /// Even the scanner of last resort gives wrong answers.
    #[error(
        "the scanner of regexes fails its self-test; this program is damaged, install it again"
    )]
    NoneRight(#[source] SelfTestFault),
}

/// The scanner of this run.
///
/// # Errors
///
/// Where the one that `wish` insists on gives wrong answers, or every one does.
pub fn choose(wish: RegexBackend) -> Result<Backend, BackendFault> {
    choose_with(wish, hyperscan, || self_test(Backend::Regex))
}

/// Whether Hyperscan may be used.
fn hyperscan() -> Result<(), BackendFault> {
    let version = library();
    if !version.is_known() {
        return Err(BackendFault::Unknown { version });
    }
    self_test(Backend::Hyperscan).map_err(BackendFault::Wrong)
}

fn choose_with(
    wish: RegexBackend,
    hyperscan: impl Fn() -> Result<(), BackendFault>,
    ours: impl Fn() -> Result<(), SelfTestFault>,
) -> Result<Backend, BackendFault> {
    let ours = || ours().map(|()| Backend::Regex).map_err(BackendFault::NoneRight);
    match wish {
        RegexBackend::Regex => ours(),
        RegexBackend::Hyperscan => hyperscan().map(|()| Backend::Hyperscan),
        RegexBackend::Auto => match hyperscan() {
            Ok(()) => Ok(Backend::Hyperscan),
            Err(fault) => {
                eg_settings::critical!(
                    cause = eg_settings::log::chain(&fault),
                    "Hyperscan is not used for regexes, and the slower scanner takes its place"
                );
                ours()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRONG: SelfTestFault = SelfTestFault::Scan { bytes: 1 };

    #[test]
    fn a_scanner_that_is_unknown_or_wrong_is_not_used() {
        let right = || Ok(());
        let wrong = || Err(BackendFault::Wrong(WRONG));
        let unknown = || Err(BackendFault::Unknown { version: library() });
        let cases: [(&dyn Fn() -> Result<(), BackendFault>, _, _); 6] = [
            (&right, Ok(()), ["hyperscan", "hyperscan", "regex"]),
            (&right, Err(WRONG), ["hyperscan", "hyperscan", "none is right"]),
            (&wrong, Ok(()), ["regex", "wrong", "regex"]),
            (&wrong, Err(WRONG), ["none is right", "wrong", "none is right"]),
            (&unknown, Ok(()), ["regex", "unknown", "regex"]),
            (&unknown, Err(WRONG), ["none is right", "unknown", "none is right"]),
        ];
        for (hyperscan, ours, expected) in cases {
            let wishes = [RegexBackend::Auto, RegexBackend::Hyperscan, RegexBackend::Regex];
            let chosen = wishes.map(|wish| match choose_with(wish, hyperscan, || ours.clone()) {
                Ok(backend) => backend.word(),
                Err(BackendFault::Unknown { .. }) => "unknown",
                Err(BackendFault::Wrong(_)) => "wrong",
                Err(BackendFault::NoneRight(_)) => "none is right",
            });
            assert_eq!(chosen, expected);
        }
    }

    #[test]
    fn the_scanners_of_this_program_are_right() {
        for (wish, expected) in [
            (RegexBackend::Auto, Backend::Hyperscan),
            (RegexBackend::Hyperscan, Backend::Hyperscan),
            (RegexBackend::Regex, Backend::Regex),
        ] {
            assert_eq!(choose(wish).unwrap(), expected);
        }
    }
}
