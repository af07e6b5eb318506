//! What came of cases: for people only what failed, for programs as JSON or `JUnit`.

use std::io::{self, Write};

use super::words::{count, tame};
use super::{Detail, explanation};
use crate::egpolicy::{CaseResult, Tested, explained_for_wire};

/// Prints the cases that failed, with what differs and why it was decided so.
///
/// # Errors
///
/// What the output says.
pub fn cases(out: &mut impl Write, tested: &Tested) -> io::Result<()> {
    let Tested { file, cases, left_out } = tested;
    for case in cases.iter().filter(|case| !case.differences.is_empty()) {
        writeln!(out, "FAILED {}:{} {}", tame(file), case.line, tame(&case.name))?;
        failure(out, case)?;
        writeln!(out)?;
    }
    for sentence in left_out {
        writeln!(out, "beware: {}", tame(sentence))?;
    }
    let failed = tested.failures();
    let all = count(cases.len(), "case", "cases");
    writeln!(out, "{all}, {} passed, {failed} failed", cases.len().saturating_sub(failed))
}

/// What differs, and the explanation.
fn failure(out: &mut impl Write, case: &CaseResult) -> io::Result<()> {
    for difference in &case.differences {
        writeln!(out, "  - {}: {}", difference.what, tame(&difference.expected))?;
        writeln!(out, "  + {}: {}", difference.what, tame(&difference.found))?;
    }
    match &case.explained {
        Some(explained) => {
            let explained = explained_for_wire(explained);
            explanation(out, &case.request, &explained, Detail::Near)
        }
        None => Ok(()),
    }
}

/// Prints all cases in the form of `JUnit`, which CI systems read.
///
/// # Errors
///
/// What the output says.
pub fn junit(out: &mut impl Write, tested: &Tested) -> io::Result<()> {
    let (file, all, failed) = (escape(&tested.file), tested.cases.len(), tested.failures());
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<testsuites name="egpolicy" tests="{all}" failures="{failed}" errors="0">"#)?;
    writeln!(out, r#"  <testsuite name="{file}" tests="{all}" failures="{failed}" errors="0">"#)?;
    for case in &tested.cases {
        let (name, line) = (escape(&case.name), case.line);
        write!(
            out,
            r#"    <testcase classname="{file}" name="{name}" file="{file}" line="{line}""#
        )?;
        if case.differences.is_empty() {
            writeln!(out, "/>")?;
            continue;
        }
        let differ = case.differences.iter().map(|difference| {
            let (what, expected) = (difference.what, &difference.expected);
            format!("{what}: expected {expected}, found {}", difference.found)
        });
        let message = escape(&differ.collect::<Vec<_>>().join("; "));
        let mut text = Vec::new();
        failure(&mut text, case)?;
        let text = escape(&String::from_utf8_lossy(&text));
        writeln!(out, ">\n      <failure message=\"{message}\">{text}</failure>")?;
        writeln!(out, "    </testcase>")?;
    }
    if !tested.left_out.is_empty() {
        writeln!(out, "    <system-err>{}</system-err>", escape(&tested.left_out.join("\n")))?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")
}

/// A text inside XML 1.0, which has no control characters but three.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('?'),
            letter if letter.is_control() => escaped.push('?'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_ends_its_element() {
        assert_eq!(
            escape("a<b>&\"c\"\u{0}\u{1b}\n\u{e9}"),
            "a&lt;b&gt;&amp;&quot;c&quot;??\n\u{e9}"
        );
    }
}
