//! Which Hyperscan this is.
//!
//! On `x86_64` only Intel's own releases are known to find everything: the forks that Debian may put in
//! their place miss matches there, and an ordinary package upgrade can swap one for the other. A release
//! of Intel's names its day, `5.4.0 2021-01-26`; a fork names none.

use std::fmt;

/// What the library says of itself; empty where this program was built without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryVersion(String);

/// What the program runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Processor {
    X86,
    Other,
}

impl LibraryVersion {
    /// The text as the library gives it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this release is known to find everything on this processor.
    #[must_use]
    pub fn is_known(&self) -> bool {
        let processor = match cfg!(target_arch = "x86_64") {
            true => Processor::X86,
            false => Processor::Other,
        };
        is_known(&self.0, processor)
    }
}

impl fmt::Display for LibraryVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.is_empty() {
            true => f.write_str("none"),
            false => f.write_str(&self.0),
        }
    }
}

/// The library that this program is linked with.
#[must_use]
pub fn library() -> LibraryVersion {
    #[cfg(feature = "hyperscan")]
    let text = hyperscan::version_str().to_string_lossy().trim().to_owned();
    #[cfg(not(feature = "hyperscan"))]
    let text = String::new();
    LibraryVersion(text)
}

/// Everything that a compiled database depends on beside its patterns.
pub(super) fn fingerprint() -> String {
    format!("{} {} {}", library(), std::env::consts::ARCH, features())
}

/// What the processor can do, of what databases are compiled for.
fn features() -> String {
    let mut found = String::new();
    #[cfg(target_arch = "x86_64")]
    for (word, is_there) in [
        ("ssse3", std::arch::is_x86_feature_detected!("ssse3")),
        ("popcnt", std::arch::is_x86_feature_detected!("popcnt")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("avx512bw", std::arch::is_x86_feature_detected!("avx512bw")),
        ("avx512vbmi", std::arch::is_x86_feature_detected!("avx512vbmi")),
    ] {
        if is_there {
            found.push_str(word);
            found.push(' ');
        }
    }
    found
}

fn is_known(text: &str, processor: Processor) -> bool {
    let (version, day) = text.trim().split_once(' ').unwrap_or_else(|| (text.trim(), ""));
    let Some(patch) = version.strip_prefix("5.4.").and_then(|patch| patch.parse::<u32>().ok())
    else {
        return false;
    };
    match processor {
        // 5.4.1 reuses a scratch that is too small (rspamd/rspamd#4409).
        Processor::X86 => patch != 1 && is_day(day),
        // Elsewhere there is only the fork, whose releases before 5.4.9 miss matches there too.
        Processor::Other => patch >= 9,
    }
}

fn is_day(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_releases() {
        for (text, x86, other) in [
            ("5.4.0 2021-01-26", true, false),
            ("5.4.2 2023-04-22", true, false),
            ("5.4.1 2023-02-20", false, false),
            ("5.4.9 ", false, true),
            ("5.4.9", false, true),
            ("5.4.12", false, true),
            ("5.4.0", false, false),
            ("5.4.0 2021-1-26", false, false),
            ("5.4.0 2021-01-26 x", false, false),
            ("5.5.0 2024-01-01", false, false),
            ("4.7.0 2018-01-25", false, false),
            ("", false, false),
            ("5.4.", false, false),
            ("5.4.x 2021-01-26", false, false),
        ] {
            assert_eq!(is_known(text, Processor::X86), x86, "{text}");
            assert_eq!(is_known(text, Processor::Other), other, "{text}");
        }
    }

    #[test]
    #[cfg(all(feature = "hyperscan", target_arch = "x86_64"))]
    fn the_linked_library_is_known() {
        assert!(library().is_known(), "{}", library());
        assert!(fingerprint().contains(library().as_str()));
    }

    #[test]
    #[cfg(not(feature = "hyperscan"))]
    fn without_the_library_nothing_is_known() {
        assert!(!library().is_known());
        assert_eq!(library().to_string(), "none");
    }
}
