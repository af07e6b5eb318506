//! Whether a name mixes scripts, as names that imitate others do.
//!
//! A label may be of one script, or of one of the mixtures that writing Japanese, Chinese and Korean
//! takes, with Latin letters: the level "highly restrictive" of UTS 39, section 5.2. A name as a whole
//! may have labels of several scripts. A name in one foreign script that looks like Latin is not found.

use unicode_script::{Script, ScriptExtension, UnicodeScript};

/// The longest label, in bytes (RFC 1035), hence letters in one.
const LETTERS_MAX: usize = 63;

/// What may stand together in one label, beside one script alone.
const COVERS: [&[Script]; 3] = [
    &[Script::Latin, Script::Han, Script::Hiragana, Script::Katakana],
    &[Script::Latin, Script::Han, Script::Bopomofo],
    &[Script::Latin, Script::Han, Script::Hangul],
];

/// Whether a label of a canonical name mixes scripts.
pub(super) fn mixes(name: &str) -> bool {
    name.split('.').filter_map(|label| label.strip_prefix("xn--")).any(label_mixes)
}

fn label_mixes(encoded: &str) -> bool {
    let mut letters = ['\0'; LETTERS_MAX];
    // A canonical name holds no bad label; if one does, it is not what it seems.
    let Some(letters) = decode(encoded.as_bytes(), &mut letters) else { return true };
    let scripts = || letters.iter().map(UnicodeScript::script_extension);
    let one = scripts().fold(ScriptExtension::default(), ScriptExtension::intersection);
    let within = |cover: &[Script]| {
        scripts().all(|of_letter| cover.iter().any(|script| of_letter.contains_script(*script)))
    };
    one.is_empty() && !COVERS.into_iter().any(within)
}

// The parameters of RFC 3492, section 5.
const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const BIAS: u32 = 72;
const FIRST: u32 = 128;

/// Decodes Punycode (RFC 3492, section 6.2) without an allocation.
fn decode<'l>(encoded: &[u8], letters: &'l mut [char; LETTERS_MAX]) -> Option<&'l [char]> {
    let split = encoded.iter().rposition(|byte| *byte == b'-');
    let (basic, digits) = match split {
        Some(0) => return None,
        Some(at) => (encoded.get(..at)?, encoded.get(at + 1..)?),
        None => (&[][..], encoded),
    };
    let mut count = 0;
    for byte in basic {
        *letters.get_mut(count)? = char::from(*byte);
        count += 1;
    }
    let (mut point, mut at, mut bias) = (FIRST, 0_u32, BIAS);
    let mut digits = digits.iter();
    while digits.len() > 0 {
        let before = at;
        let (mut weight, mut step) = (1_u32, BASE);
        loop {
            let digit = digit(*digits.next()?)?;
            at = at.checked_add(digit.checked_mul(weight)?)?;
            let threshold = step.saturating_sub(bias).clamp(T_MIN, T_MAX);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
            step = step.checked_add(BASE)?;
        }
        let points = u32::try_from(count).ok()?.checked_add(1)?;
        bias = adapt(at - before, points, before == 0);
        point = point.checked_add(at / points)?;
        at %= points;
        let place = usize::try_from(at).ok()?;
        // Makes room by moving what follows one further.
        letters.get_mut(place..=count)?.rotate_right(1);
        *letters.get_mut(place)? = char::from_u32(point)?;
        count += 1;
        at += 1;
    }
    letters.get(..count)
}

/// The bias for the next letter (RFC 3492, section 6.1).
fn adapt(delta: u32, points: u32, first: bool) -> u32 {
    let mut delta = if first { delta / DAMP } else { delta / 2 };
    delta = delta.saturating_add(delta / points);
    let mut step = 0;
    while delta > ((BASE - T_MIN) * T_MAX) / 2 {
        delta /= BASE - T_MIN;
        step += BASE;
    }
    step + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

/// A digit of base 36.
const fn digit(byte: u8) -> Option<u32> {
    Some(match byte {
        b'a'..=b'z' => byte as u32 - b'a' as u32,
        b'0'..=b'9' => byte as u32 - b'0' as u32 + 26,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::Domain;

    fn check(cases: &[(&str, bool)]) {
        for (name, expected) in cases {
            let mut buffer = String::new();
            let name = Domain::parse(&mut buffer, name.as_bytes()).unwrap();
            assert_eq!(mixes(name.as_str()), *expected, "{name}");
        }
    }

    #[test]
    fn one_script_a_label_or_one_of_the_usual_mixtures() {
        check(&[
            ("example.test", false),
            ("a-1_b.test", false),
            ("bücher.test", false),
            ("r\u{e9}sum\u{e9}.test", false),
            ("пример.test", false),      // Cyrillic
            ("пример-1.test", false),    // with what is common to all scripts
            ("παράδειγμα.test", false),  // Greek
            ("例え.テスト", false),      // Han and Hiragana, Katakana
            ("abcドメイン.test", false), // Latin and Katakana
            ("日本語abcひらカタ.test", false),
            ("中文ㄅㄆ.test", false),       // Han and Bopomofo
            ("한국abc.test", false),        // Hangul and Latin
            ("مثال.test", false),           // Arabic
            ("пример.example.test", false), // labels of several scripts
        ]);
    }

    #[test]
    fn a_mixture_that_imitates() {
        check(&[
            ("p\u{430}ypal.test", true), // Cyrillic a
            ("www.p\u{430}ypal.example.test", true),
            ("\u{455}hop.test", true), // Cyrillic s
            ("goοgle.test", true),     // Greek omicron
            ("приmер.test", true),     // Latin m
            ("한国かな.test", true),   // Hangul beside Hiragana
            ("中文п.test", true),      // Han and Cyrillic
        ]);
    }

    #[test]
    fn decoding_agrees_with_idna() {
        for text in [
            "bücher",
            "ü",
            "例え",
            "пример",
            "abcドメイン",
            "a-b-ü-c",
            "ß1",
            "日本語abcひらカタ",
            "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzé",
        ] {
            let encoded = idna::punycode::encode_str(text).unwrap();
            let mut letters = ['\0'; LETTERS_MAX];
            let decoded: String =
                decode(encoded.as_bytes(), &mut letters).unwrap().iter().collect();
            assert_eq!(decoded, text, "{encoded}");
        }
    }

    #[test]
    fn what_is_no_punycode_decodes_to_nothing_and_nothing_panics() {
        let mut letters = ['\0'; LETTERS_MAX];
        for bad in ["a", "\u{7f}", "-", "99999999999999", "zzzzzzzzzzzzzzzzzzzzzz", "A-B", "a--_"] {
            let decoded = decode(bad.as_bytes(), &mut letters).map(<[char]>::to_vec);
            assert_eq!(
                decoded,
                idna::punycode::decode_to_string(bad).map(|text| text.chars().collect()),
                "{bad}"
            );
        }
        let long = "a".repeat(100) + "-";
        assert_eq!(decode(long.as_bytes(), &mut letters), None);
        for seed in 0_u32..20_000 {
            let text = seed.wrapping_mul(2_654_435_761).to_string();
            let _ = decode(text.as_bytes(), &mut letters);
        }
    }
}
