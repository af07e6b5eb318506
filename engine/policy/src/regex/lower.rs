//! Patterns of server names that are a name in disguise: `(^|\.)example\.com$`.
//!
//! Nearly all regexes that are in use for hosts are of this form. Nothing compiles or scans for them;
//! the name and its parents are looked up.
//!
//! INVARIANT: two patterns that are different texts give different names.

use super::dialect::RegexPattern;

/// The name that `pattern` asks a server name to be, or to lie below.
pub(crate) fn name(pattern: &RegexPattern) -> Option<String> {
    let text = pattern.as_str().strip_prefix(r"(^|\.)")?.strip_suffix('$')?;
    let labels = text.split(r"\.").map(|label| is_label(label).then_some(label));
    let labels: Vec<&str> = labels.collect::<Option<_>>()?;
    Some(labels.join("."))
}

/// Whether a text stands for itself and is written as a canonical name has it.
fn is_label(text: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    !text.is_empty() && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_a_name() {
        for (text, expected) in [
            (r"(^|\.)example\.com$", Some("example.com")),
            (r"(^|\.)a-b_c\.x\.xn--p1ai$", Some("a-b_c.x.xn--p1ai")),
            (r"(^|\.)com$", Some("com")),
            (r"(^|\.)Example\.com$", None),
            (r"(?:^|\.)example\.com$", None),
            (r"(?-i)(^|\.)example\.com$", None),
            (r"(^|.)example\.com$", None),
            (r"(^|\.)example.com$", None),
            (r"(^|\.)example\.com", None),
            (r"^example\.com$", None),
            (r"(^|\.)example\.com\.$", None),
            (r"(^|\.)\.com$", None),
            (r"(^|\.)exam(p)le\.com$", None),
            (r"(^|\.)ads?\.com$", None),
            (r"(^|\.)ads\d\.com$", None),
            (r"(^|\.)example\.com\$", None),
            (r"(^|\.)a|b$", None),
        ] {
            let found = RegexPattern::parse(text).ok().and_then(|pattern| name(&pattern));
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
