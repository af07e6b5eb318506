//! Unicode's `IdnaTestV2.txt`: names to A-labels, not transitional.
//!
//! Its status codes tell which checks a name fails. Ours leaves out `CheckHyphens` (V2, V3) and STD3 (U1),
//! so these codes count for nothing; all others do. `toUnicode` is not run: nothing here makes U-labels.

use std::string::FromUtf16Error;

use super::super::super::{Domain, Malformed};
use super::table::{Class, Findings};
use super::{Extent, cases};

/// Why a name comes out otherwise on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    TrailingDots,
    HostCharacter,
}

impl Class for Why {
    const ALL: &'static [Self] = &[Self::TrailingDots, Self::HostCharacter];

    fn word(self) -> &'static str {
        match self {
            Self::TrailingDots => "trailing-dots",
            Self::HostCharacter => "host-character",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::TrailingDots => "all dots at the end are dropped, as Squid does (SPEC 4)",
            Self::HostCharacter => {
                "with STD3 off UTS 46 lets any ASCII pass; here a host holds letters, digits, `-` and `_`, \
                 also before it is mapped (`=` and a combining stroke)"
            }
        }
    }
}

/// The checks that ours leaves out.
const OFF: [&str; 3] = ["V2", "V3", "U1"];

#[test]
fn names_become_a_labels_as_unicode_has_it() {
    let (bytes, extent) = cases("IdnaTestV2", "IdnaTestV2.txt.gz", "idna-sample.txt");
    let text = String::from_utf8(bytes).unwrap();
    let (mut findings, mut surrogates) = (Findings::default(), 0);
    for line in text.lines() {
        let line = line.split('#').next().unwrap();
        let columns: Vec<&str> = line.split(';').map(str::trim).collect();
        let [source, unicode, status, ascii, ascii_status, _, _] = columns.as_slice() else {
            assert!(line.trim().is_empty(), "seven columns: {line}");
            continue;
        };
        let (Ok(source), Ok(unicode), Ok(ascii)) =
            (unescaped(source), unescaped(unicode), unescaped(ascii))
        else {
            surrogates += 1;
            continue;
        };
        let unicode = unicode.unwrap_or_else(|| source.clone().unwrap_or_default());
        let ascii = ascii.unwrap_or(unicode);
        let status = codes(if ascii_status.is_empty() { status } else { ascii_status });
        take(&mut findings, &source.unwrap_or_default(), &ascii, &status);
    }
    match extent {
        Extent::Whole => {
            assert!(findings.count() > 6_000, "{}", findings.count());
            assert!(surrogates < 100, "{surrogates} cases are no UTF-8");
        }
        Extent::Sample => assert!(findings.count() > 100, "{}", findings.count()),
    }
    findings.assert_as_listed::<Why>("differences-idna.tsv", extent);
}

fn take(findings: &mut Findings, source: &str, ascii: &str, status: &[&str]) {
    let mut buffer = String::new();
    let ours = Domain::parse(&mut buffer, source.as_bytes()).map(Domain::as_str);
    let theirs = if status.is_empty() { Ok(ascii) } else { Err("refused") };
    let shown = |result: Result<&str, &str>| match result {
        Ok(name) => name.to_owned(),
        Err(word) => format!("<{word}>"),
    };
    let ours = ours.map_err(Malformed::word);
    let class = || match (theirs, ours) {
        (Err(_), Ok(ours)) => {
            let only_length = status.iter().all(|code| ["A4_1", "A4_2"].contains(code));
            let dots = ascii.strip_prefix(ours).is_some_and(|rest| rest.bytes().all(|b| b == b'.'));
            (only_length && dots && ascii != ours).then_some(Why::TrailingDots)
        }
        (Ok(theirs), Ok(ours)) => {
            (theirs.trim_end_matches('.') == ours).then_some(Why::TrailingDots)
        }
        (Ok(theirs), Err("host-character" | "host-escape" | "nul")) => {
            let odd = |byte: u8| !byte.is_ascii_alphanumeric() && !b"-_.".contains(&byte);
            (theirs.bytes().any(odd) || source.bytes().any(|byte| byte.is_ascii() && odd(byte)))
                .then_some(Why::HostCharacter)
        }
        (Ok(_) | Err(_), Err(_)) => None,
    };
    // That both refuse is agreement, whatever each calls it.
    let pair = match (theirs, ours) {
        (Err(_), Err(_)) => (String::new(), String::new()),
        (theirs, ours) => (shown(theirs), shown(ours)),
    };
    findings.take(source, pair, class);
}

/// The codes of `[B1, V6]` that count.
fn codes(column: &str) -> Vec<&str> {
    let inside = column.trim_start_matches('[').trim_end_matches(']');
    let codes = inside.split(',').map(str::trim).filter(|code| !code.is_empty());
    codes.filter(|code| !OFF.contains(code)).collect()
}

/// A column with its `\uXXXX` and `\x{XXXX}` put in: nothing for a blank one, the empty text for `""`. It
/// fails on text that UTF-8 cannot hold.
fn unescaped(column: &str) -> Result<Option<String>, FromUtf16Error> {
    match column {
        "" => return Ok(None),
        "\"\"" => return Ok(Some(String::new())),
        _ => {}
    }
    let (mut units, mut rest) = (Vec::new(), column);
    while let Some(first) = rest.chars().next() {
        let (code, tail) = if let Some(hex) = rest.strip_prefix("\\u") {
            let (digits, tail) = hex.split_at(4);
            (u32::from_str_radix(digits, 16).unwrap(), tail)
        } else if let Some(hex) = rest.strip_prefix("\\x{") {
            let (digits, tail) = hex.split_once('}').unwrap();
            (u32::from_str_radix(digits, 16).unwrap(), tail)
        } else {
            (u32::from(first), rest.split_at(first.len_utf8()).1)
        };
        match char::from_u32(code) {
            Some(letter) => units.extend_from_slice(letter.encode_utf16(&mut [0; 2])),
            None => units.push(u16::try_from(code).unwrap()),
        }
        rest = tail;
    }
    String::from_utf16(&units).map(Some)
}
