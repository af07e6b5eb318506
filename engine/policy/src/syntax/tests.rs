//! The grammar by examples, what it refuses, and the round trip through `print`.

use proptest::prelude::*;

use super::ast::{Ast, Comment, Element, Item, Line, Value, Word};
use super::span::Span;
use super::{parse, print};

/// What is read, in brackets, and the codes of the faults with their lines and columns.
fn read(text: &str) -> (String, Vec<String>) {
    let (ast, faults) = parse("test.policy", text);
    let blocks = ast.blocks().map(|block| {
        let attributes = block.attributes().map(|attribute| {
            let words: Vec<&str> = attribute.value.words().map(|word| word.text.as_str()).collect();
            format!("{}={}", attribute.key.text, words.join("|"))
        });
        format!("{}<{}>", block.name.text, attributes.collect::<Vec<_>>().join(" "))
    });
    let blocks = blocks.collect::<Vec<_>>().join(" ");
    let faults = faults
        .iter()
        .map(|fault| format!("{} {}:{}", fault.code.id(), fault.place.line, fault.place.column));
    (blocks, faults.collect())
}

#[track_caller]
fn check(text: &str, expected: &str, faults: &[&str]) {
    let (blocks, found) = read(text);
    assert_eq!(blocks, expected, "{text}");
    assert_eq!(found, faults, "{text}");
    round_trip(text);
}

/// The same without places, which printing changes.
fn unplaced(mut ast: Ast) -> Ast {
    fn comments(comments: &mut [Comment]) {
        comments.iter_mut().for_each(|comment| comment.span = Span::default());
    }
    fn word(word: &mut Word) {
        word.span = Span::default();
    }
    for item in &mut ast.items {
        match item {
            Item::Comments(list) => comments(list),
            Item::Block(block) => {
                comments(&mut block.leading);
                comments(&mut block.trailing);
                word(&mut block.name);
                for line in &mut block.lines {
                    match line {
                        Line::Blank => {}
                        Line::Comment(comment) => comment.span = Span::default(),
                        Line::Attribute(attribute) => {
                            word(&mut attribute.key);
                            comments(&mut attribute.trailing);
                            match &mut attribute.value {
                                Value::Missing => {}
                                Value::One(one) => word(one),
                                Value::List(elements) => {
                                    for element in elements {
                                        match element {
                                            Element::Comment(one) => one.span = Span::default(),
                                            Element::Word { word: one, trailing } => {
                                                word(one);
                                                comments(trailing);
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    ast
}

#[track_caller]
fn round_trip(text: &str) {
    let (ast, _) = parse("a", text);
    let printed = print(&ast);
    let (again, _) = parse("b", &printed);
    assert_eq!(unplaced(again.clone()), unplaced(ast), "{text:?}\nprinted as\n{printed:?}");
    assert_eq!(print(&again), printed, "{text:?}");
}

#[test]
fn the_example_of_the_manual() {
    let text = "# comment            // comment            /* block comment */
allow-package-mirror: {
    match-uri: https://mirror.example.net/debian/
    application: https
    action: permit
    description: our package mirror
}
";
    let expected = "allow-package-mirror<match-uri=https://mirror.example.net/debian/ \
                    application=https action=permit description=our package mirror>";
    check(text, expected, &[]);
}

#[test]
fn files_without_a_rule() {
    for text in ["", "\n", "\u{feff}# x\n", "# a\n// b\n\n/* c\n d */", " \t\r\n", "{}"] {
        check(text, "", &[]);
    }
}

#[test]
fn bare_values_keep_their_characters() {
    let cases = [
        (r"https://a.example/x#frag", r"https://a.example/x#frag"),
        (r"https://a.example//x//y", r"https://a.example//x//y"),
        (r"^(a|b)\.[^/]*\.x{2,3}$", r"^(a|b)\.[^/]*\.x{2,3}$"),
        (r"[a-z]+\.example", r"[a-z]+\.example"),
        ("two  words ", "two  words"),
        ("value # comment", "value"),
        ("value\t// comment", "value"),
        ("value /* comment */", "value"),
        ("value,", "value"),
        ("value , # comment", "value"),
        ("a, b", "a, b"),
        ("say \"so\"", "say \"so\""),
        ("true", "true"),
        ("true, but", "true, but"),
        ("10.0.0.1", "10.0.0.1"),
        ("a/*b*/", "a/*b*/"),
        (r"C:\x", r"C:\x"),
    ];
    for (value, expected) in cases {
        check(&format!("a: {{\n  k: {value}\n}}\n"), &format!("a<k={expected}>"), &[]);
    }
}

#[test]
fn lists_and_repeated_keys() {
    check("a: {\n k: [\"x\", \"y\"]\n}", "a<k=x|y>", &[]);
    check(
        "a: {\n match-domain: [a.example, b.example]\n}",
        "a<match-domain=a.example|b.example>",
        &[],
    );
    check(
        "a: {\n match-domain: [\n a.example # c\n # d\n b.example,\n ]\n}",
        "a<match-domain=a.example|b.example>",
        &[],
    );
    check(
        "a: {\n match-uri: [\n http://a/x,y\n http://b/,\n ]\n k: v\n}",
        "a<match-uri=http://a/x,y|http://b/ k=v>",
        &[],
    );
    check("a: {\n match-uri: [ http://a/x,y ]\n}", "a<match-uri=http://a/x,y>", &[]);
    check(
        "a: {\n match-destination: [ [2001:db8::1], 10.0.0.1 ]\n}",
        "a<match-destination=[2001:db8::1]|10.0.0.1>",
        &[],
    );
    check("a: {\n k: x\n k: y\n}", "a<k=x k=y>", &[]);
}

#[test]
fn strict_json() {
    let text = r#"{"a": {"match-uri": "http:\/\/x\/\u00e9\ud83d\ude00", "allow-broad": true}, "b":
        {"match-port":[80,443],"action"
        :
        "deny"}}"#;
    check(
        text,
        "a<match-uri=http://x/\u{e9}\u{1f600} allow-broad=true> b<match-port=80|443 action=deny>",
        &[],
    );
}

#[test]
fn blocks_on_one_line_need_quotes() {
    check(r#"a: { k: "x" l: "y", m: true }"#, "a<k=x l=y m=true>", &[]);
    check("a: { k: x }\nb: { k: \"y\" }", "a<k=x> b<k=y>", &["EGP010 1:11"]);
    check("a: { k: x{2}}", "a<k=x{2}>", &["EGP010 1:13"]);
    check("a: {\n k: x }\nb: {\n k: y\n}", "a<k=x> b<k=y>", &["EGP010 2:7"]);
}

#[test]
fn faults_and_what_is_still_read() {
    check("a: {\n k x\n}", "a<k=x>", &["EGP003 2:2"]);
    check("a {\n k: x\n}", "a<k=x>", &["EGP003 1:1"]);
    check("a: {\n k: x\n\nb: {\n k: y\n}", "a<k=x> b<k=y>", &["EGP004 1:1"]);
    check("a: {\n k: x\n", "a<k=x>", &["EGP004 1:1"]);
    check("a: {\n k: \"x\n l: y\n}", "a<k=x l=y>", &["EGP005 2:5"]);
    check("a: {\n k: \"x\\q\"\n}", "a<k=x\\q>", &["EGP006 2:7"]);
    check("a: {\n k: \"\\ud800\"\n}", "a<k=\\ud800>", &["EGP006 2:6"]);
    check("a: {\n k: \"\\\u{e4}\"\n}", "a<k=\\\u{e4}>", &["EGP006 2:6"]);
    check(
        "a: {\n match-sni: [ x,\n action: deny\n}",
        "a<match-sni=x action=deny>",
        &["EGP007 2:13"],
    );
    check("a: {\n k: x\n} /* no end", "a<k=x>", &["EGP008 3:3"]);
    check(
        "a: {\n k:\n l: \"\"\n m: []\n n: # c\n}",
        "a<k= l= m= n=>",
        &["EGP009 2:2", "EGP009 3:2", "EGP009 4:2", "EGP009 5:2"],
    );
    check("}\na: {\n k: x\n}\n}", "a<k=x>", &["EGP012 1:1", "EGP012 5:1"]);
    check("hello world\na: {\n k: x\n}", "a<k=x>", &["EGP002 1:1"]);
    check("k: v\na: {\n k: x\n}", "a<k=x>", &["EGP002 1:1"]);
    check("a: {\n k: x\u{1b}y\n}", "a<k=x\u{1b}y>", &["EGP011 2:6"]);
    check("{ a: {\n k: x\n}", "a<k=x>", &["EGP004 1:1"]);
}

#[test]
fn carriage_returns_are_white_space() {
    check("a: {\r\n k: x\r\n # c\r\n}\r\n", "a<k=x>", &[]);
}

#[test]
fn a_file_that_is_too_large_is_one_fault() {
    let text = "#".repeat(super::FILE_BYTES_MAX + 1);
    assert_eq!(read(&text), (String::new(), vec!["EGP001 0:0".to_owned()]));
}

#[test]
fn faults_without_end_are_bounded() {
    let (_, faults) = parse("a", &"]\n".repeat(100_000));
    assert_eq!(faults.len(), 1_001);
    let (_, faults) = parse("a", &"a: {".repeat(100_000));
    assert_eq!(faults.len(), 1_001);
    // One line of a few megabytes takes linear time.
    let (ast, faults) = parse("a", &format!("a: {{ match-port: [{}] }}", "80,".repeat(1_000_000)));
    assert_eq!((ast.blocks().count(), faults.len()), (1, 0));
    let (ast, faults) = parse("a", &format!("a: {{ {} }}", "\"k\": [\"x\"], ".repeat(75_000)));
    assert_eq!((ast.blocks().count(), faults.len()), (1, 0));
    for piece in ["k \"v\" ", "k true, ", "\"k\" true, ", "\"k\": [] x: {} "] {
        let (_, faults) = parse("a", &format!("a: {{ {} }}", piece.repeat(50_000)));
        assert!(!faults.is_empty());
    }
    for piece in ["a: {\n k: x }\n", "a: { b: { k: \"v\" }\n", "a:\n# c\n", "a: {\n k: []x\n"] {
        let (_, faults) = parse("a", &piece.repeat(25_000));
        assert_eq!(faults.len(), 1_001);
        let (_, faults) = parse("a", &format!("{{ {}", piece.repeat(25_000)));
        assert_eq!(faults.len(), 1_001);
    }
    let (_, faults) = parse("a", &format!("a: {{ k: x{}", "}".repeat(1_000_000)));
    assert!(!faults.is_empty());
}

#[test]
fn printing_keeps_comments_and_blank_lines() {
    let text = "# file\n\n# about a\na: {\n# in a\n\n\n k: x # why\n\n l: [ # first\n \"y\" // second\n]\n} # end\n# last";
    let (ast, faults) = parse("a", text);
    assert!(faults.is_empty());
    insta::assert_snapshot!(print(&ast), @r#"
    # file

    # about a
    a: {
        # in a

        k: x # why

        l: [
            # first
            y // second
        ]
    } # end

    # last
    "#);
    round_trip(text);
}

/// Pieces that, put together at random, look like policies and faults.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b-c",
        "match-domain",
        "match-uri",
        ":",
        ": ",
        " ",
        "\t",
        "\n",
        "\n\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"",
        "\"x\"",
        "\"a, b\"",
        "\\",
        "\\n",
        "#",
        " # c",
        "// d",
        "/*",
        "*/",
        " /* e */ ",
        "true",
        "10",
        "http://x/y,z",
        "x.example",
        "[2001:db8::1]",
        "\u{e9}",
        "\r\n",
        "a: {\n",
        "\n}\n",
        "k: v\n",
        "\u{0}",
        "\u{2028}",
        "\u{a0}",
        "-",
        "null",
        "1e5",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_reads_the_same(text in pieces()) {
        round_trip(&text);
    }

    #[test]
    fn any_text_is_read(text in "\\PC*") {
        round_trip(&text);
    }
}
