//! Random expressions of the kind that filters write, and inputs that nearly or truly match them.
//!
//! An expression is made as a tree, so that the same tree prints the expression and makes texts that
//! fit it; those are then bent a little. The shapes are those on which scanners have been wrong:
//! literals behind `.*`, classes that must not cross a slash, alternations, bounded repeats, anchors.

use crate::random::Random;

/// Inputs for a set.
const INPUTS: usize = 40;

/// Expressions of an ordinary set, at most: small sets take other ways through a scanner than large ones.
const SMALL_SET_MAX: usize = 4;

/// One set in so many is a large one.
const LARGE_ONE_IN: usize = 50;

/// Expressions of a large set.
const LARGE_SET: (usize, usize) = (50, 300);

/// How deep alternations and repeats nest.
const DEPTH_MAX: usize = 2;

/// The longest text that stands for `.*` and the like; longer than the widest vector register, since
/// gaps across registers are what scanners have lost.
const GAP_MAX: usize = 90;

/// Words of addresses and headers.
const WORDS: &[&str] = &[
    "ads",
    "adv",
    "banner",
    "track",
    "pixel",
    "cdn",
    "img",
    "js",
    "click",
    "sex",
    "casino",
    "video",
    "example",
    "google",
    "com",
    "net",
    "org",
    "login",
    "wp-content",
    "index",
    "php",
    "html",
    "q",
    "id",
    "utm_source",
    "Mozilla",
    "curl",
    "python",
    "a",
    "x",
    "Z",
    "0",
    "42",
    "-",
    "_",
];

/// What stands between words.
const JOINTS: &[&str] = &["/", ".", "-", "_", "?", "&", "=", "%20", ":", "//", " ", ";", "+", "|"];

/// Classes as they are written, with bytes that they hold.
const CLASSES: &[(&str, &[u8])] = &[
    ("[a-z]", b"abkz"),
    ("[0-9]", b"0159"),
    ("[a-z0-9-]", b"a0-z9"),
    ("[a-f0-9]", b"af09"),
    ("[^/]", b"ax.?&\x80\xff"),
    ("[^/?&]", b"ax.\xc3"),
    ("[^.]", b"ax/"),
    ("[aeiou]", b"aeiou"),
    (r"\d", b"0159"),
    (r"\w", b"aZ9_"),
    (r"\s", b" \t"),
    (r"[\w.-]", b"a.-_"),
    (".", b"ax/.?\x7f\xe4"),
];

/// Part of an expression.
#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Class { class: usize, times: Times },
    Group { ways: Vec<Vec<Self>>, times: Times },
    WordEdge,
}

/// How often a part comes.
#[derive(Debug, Clone, Copy)]
enum Times {
    Once,
    Maybe,
    Any,
    Some,
    Between(usize, usize),
    AtLeast(usize),
}

impl Times {
    fn new(random: &mut Random) -> Self {
        match random.below(8) {
            0 => Self::Maybe,
            1 | 2 => Self::Any,
            3 => Self::Some,
            4 => {
                let least = random.below(6);
                Self::Between(least, least + random.between(1, 12))
            }
            5 => Self::AtLeast(random.between(1, 8)),
            _ => Self::Once,
        }
    }

    fn print(self) -> String {
        match self {
            Self::Once => String::new(),
            Self::Maybe => "?".to_owned(),
            Self::Any => "*".to_owned(),
            Self::Some => "+".to_owned(),
            Self::Between(least, most) => format!("{{{least},{most}}}"),
            Self::AtLeast(least) => format!("{{{least},}}"),
        }
    }

    fn sample(self, random: &mut Random) -> usize {
        match self {
            Self::Once => 1,
            Self::Maybe => random.below(2),
            Self::Any => gap(random),
            Self::Some => gap(random).max(1),
            Self::Between(least, most) => random.between(least, most),
            Self::AtLeast(least) => least + random.below(4),
        }
    }
}

/// How long a gap is: mostly short, sometimes across several registers.
fn gap(random: &mut Random) -> usize {
    if random.one_in(3) { random.below(GAP_MAX) } else { random.below(8) }
}

/// One expression.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    flags: &'static str,
    front: &'static str,
    pieces: Vec<Piece>,
    back: &'static str,
}

impl Expression {
    fn new(random: &mut Random) -> Self {
        let flags = random.pick(&["", "", "", "", "(?s)", "(?-i)"]).copied().unwrap_or_default();
        let front = random.pick(&["", "", "", "^", "^https?://", r"(^|\.)"]).copied();
        let back = random.pick(&["", "", "", "", "$", "($|[/?])"]).copied();
        Self {
            flags,
            front: front.unwrap_or_default(),
            pieces: sequence(random, 0),
            back: back.unwrap_or_default(),
        }
    }

    /// As a rule writes it.
    pub(crate) fn print(&self) -> String {
        let mut text = format!("{}{}", self.flags, self.front);
        print_all(&self.pieces, &mut text);
        text + self.back
    }

    /// A text that fits it, or nearly.
    fn sample(&self, random: &mut Random) -> Vec<u8> {
        let mut text = match self.front {
            "^" => Vec::new(),
            "^https?://" => b"https://".to_vec(),
            "" => around(random),
            // The name below another one, or at the front.
            _ if random.one_in(2) => Vec::new(),
            _ => [around(random).as_slice(), b"."].concat(),
        };
        sample_all(&self.pieces, random, &mut text);
        if self.back.is_empty() || random.one_in(4) {
            text.extend(around(random));
        }
        text
    }
}

fn sequence(random: &mut Random, depth: usize) -> Vec<Piece> {
    let count = if depth == 0 { random.between(1, 6) } else { random.between(1, 3) };
    (0..count).map(|_| piece(random, depth)).collect()
}

fn piece(random: &mut Random, depth: usize) -> Piece {
    match random.below(10) {
        0..=3 => Piece::Text(text(random)),
        4 => Piece::Class { class: CLASSES.len() - 1, times: Times::Any },
        5..=6 => Piece::Class { class: random.below(CLASSES.len()), times: Times::new(random) },
        7..=8 if depth < DEPTH_MAX => {
            let ways = (0..random.between(1, 4)).map(|_| sequence(random, depth + 1)).collect();
            Piece::Group { ways, times: Times::new(random) }
        }
        9 if random.one_in(3) => Piece::WordEdge,
        _ => Piece::Text(text(random)),
    }
}

fn word(random: &mut Random) -> &'static str {
    random.pick(WORDS).copied().unwrap_or_default()
}

fn joint(random: &mut Random) -> &'static str {
    random.pick(JOINTS).copied().unwrap_or_default()
}

fn text(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.between(1, 3) {
        text.push_str(if random.one_in(3) { joint(random) } else { word(random) });
    }
    text
}

fn print_all(pieces: &[Piece], out: &mut String) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                for letter in text.chars() {
                    if !letter.is_ascii_alphanumeric() && !"/_-:%&=; ".contains(letter) {
                        out.push('\\');
                    }
                    out.push(letter);
                }
            }
            Piece::Class { class, times } => {
                out.push_str(CLASSES.get(*class).map(|(class, _)| *class).unwrap_or_default());
                out.push_str(&times.print());
            }
            Piece::Group { ways, times } => {
                out.push('(');
                for (number, way) in ways.iter().enumerate() {
                    if number > 0 {
                        out.push('|');
                    }
                    print_all(way, out);
                }
                out.push(')');
                out.push_str(&times.print());
            }
            Piece::WordEdge => out.push_str(r"\b"),
        }
    }
}

fn sample_all(pieces: &[Piece], random: &mut Random, out: &mut Vec<u8>) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.extend(text.bytes()),
            Piece::Class { class, times } => {
                let bytes = CLASSES.get(*class).map(|(_, bytes)| *bytes).unwrap_or_default();
                for _ in 0..times.sample(random) {
                    out.extend(random.pick(bytes));
                }
            }
            Piece::Group { ways, times } => {
                for _ in 0..times.sample(random).min(4) {
                    if let Some(way) = random.pick(ways) {
                        sample_all(way, random, out);
                    }
                }
            }
            Piece::WordEdge => {
                if random.one_in(2) {
                    out.extend(joint(random).bytes());
                }
            }
        }
    }
}

/// Bytes before or after what fits.
fn around(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..gap(random) / 4 {
        bytes.extend(if random.one_in(3) { joint(random) } else { word(random) }.bytes());
    }
    bytes
}

/// Bends a text: cases, bytes that are gone, doubled or others.
fn bend(random: &mut Random, text: &mut Vec<u8>) {
    for _ in 0..random.below(3) {
        let at = random.below(text.len());
        let Some(byte) = text.get(at).copied() else { return };
        match random.below(4) {
            0 => drop(text.remove(at)),
            1 => text.insert(at, byte),
            2 => text.iter_mut().for_each(|byte| *byte = byte.to_ascii_uppercase()),
            _ => {
                let other = random.byte();
                text.iter_mut().skip(at).take(1).for_each(|byte| *byte = other);
            }
        }
    }
}

/// The expressions of one set and what they are asked about.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    /// The expressions, as rules write them.
    pub(crate) expressions: Vec<String>,
    /// The inputs.
    pub(crate) inputs: Vec<Vec<u8>>,
}

impl Set {
    /// The set that this seed and number name.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut random = Random::part(seed, number);
        let count = if random.one_in(LARGE_ONE_IN) {
            random.between(LARGE_SET.0, LARGE_SET.1)
        } else {
            random.between(1, SMALL_SET_MAX)
        };
        let trees: Vec<Expression> = (0..count).map(|_| Expression::new(&mut random)).collect();
        let inputs = (0..INPUTS).map(|_| {
            let mut input = match random.pick(&trees) {
                Some(tree) if !random.one_in(5) => tree.sample(&mut random),
                Some(_) | None => around(&mut random),
            };
            if !random.one_in(3) {
                bend(&mut random, &mut input);
            }
            input
        });
        let inputs = inputs.collect();
        Self { expressions: trees.iter().map(Expression::print).collect(), inputs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_number_name_one_set() {
        let shown = |set: &Set| format!("{set:?}");
        assert_eq!(shown(&Set::new(1, 2)), shown(&Set::new(1, 2)));
        assert_ne!(shown(&Set::new(1, 2)), shown(&Set::new(1, 3)));
        assert_ne!(shown(&Set::new(1, 2)), shown(&Set::new(2, 2)));
    }

    #[test]
    fn every_shape_comes_up() {
        let sets: Vec<Set> = (0..200).map(|number| Set::new(1, number)).collect();
        let all: Vec<&String> = sets.iter().flat_map(|set| &set.expressions).collect();
        for shape in [".*", "[^/]*", "|", "{", "^http", "$", r"\d", r"\b", "(?s)", "(?-i)"] {
            assert!(all.iter().any(|text| text.contains(shape)), "{shape}");
        }
        assert!(sets.iter().any(|set| set.expressions.len() >= LARGE_SET.0));
        assert!(sets.iter().all(|set| set.inputs.len() == INPUTS));
    }
}
