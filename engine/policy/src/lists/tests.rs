//! Lists as they really are: odd lines (evasions J01, J08, B13), bombs, and the tiers of real names.

use std::io::Write as _;

use super::*;
use crate::check::Scope;
use crate::real_data::{folder_or_skip, in_tree, say};

fn entries(list: &NameList) -> Vec<String> {
    let text = |(name, scope): (&str, Scope)| match scope {
        Scope::Tree => name.to_owned(),
        Scope::Host => format!("={name}"),
    };
    list.iter().map(text).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn j01_odd_lines_are_normalised_and_reported() {
    let mut text =
        b"\xef\xbb\xbfblocked.test\r\nBlocked.Test # again\r\n\r\n# comment\r\n\ttabs.test \t\r\n"
            .to_vec();
    text.extend_from_slice(
        b"sub.blocked.test\nnul\0.test\n0.0.0.0 hosts.test\nx.test##.ad\nhttp://u.test/\n",
    );
    text.extend_from_slice(
        b"p.test:80\nbad..test\n\xff\xfe.test\n@@||bank.test^\n*\n$0/\ncom\nco.uk\n=co.uk\n",
    );
    text.extend_from_slice("x".repeat(1 << 20).as_bytes());
    let (list, report) = read_names(&text).unwrap();
    assert_eq!(entries(&list), ["=co.uk", "blocked.test", "sub.blocked.test", "tabs.test"]);
    let reasons: Vec<(u64, RefusedLine)> = vec![
        (7, RefusedLine::Control),
        (8, RefusedLine::SeveralWords),
        (9, RefusedLine::Adblock),
        (10, RefusedLine::Url),
        (11, RefusedLine::Port),
        (12, RefusedLine::NotAName),
        (13, RefusedLine::NotAName),
        (15, RefusedLine::Everything),
        (16, RefusedLine::Url),
        (20, RefusedLine::TooLong),
    ];
    assert_eq!(report.refused, reasons);
    assert_eq!((report.lines, report.accepted, report.duplicates, report.folded), (20, 4, 1, 1));
    assert_eq!(report.public_suffixes, [(17, "com".to_owned()), (18, "co.uk".to_owned())]);
    assert_eq!(list.covered(), 1);
    assert_eq!((report.exceptions, report.first_exception), (1, Some(14)));
}

#[test]
fn j08_one_table_of_meaning() {
    let check = |line: &str, expected: &[&str]| {
        let (list, _) = read_names(line.as_bytes()).unwrap();
        assert_eq!(entries(&list), expected, "{line}");
    };
    check("blocked.test", &["blocked.test"]);
    check(".blocked.test", &["blocked.test"]);
    check("*.blocked.test", &["blocked.test"]);
    check("=blocked.test", &["=blocked.test"]);
    check("||blocked.test^", &["blocked.test"]);
    check("0.0.0.0 blocked.test", &["blocked.test"]);
    check("address=/blocked.test/", &["blocked.test"]);
    check("*.blocked.test CNAME .", &["blocked.test"]);
    check("blocked.test CNAME .", &["=blocked.test"]);
    // What cannot be used at all is a fault of the list, and no empty list.
    for line in ["blocked.*", "=*.blocked.test", "@@||blocked.test^", "com"] {
        let fault = read_names(line.as_bytes()).unwrap_err();
        assert!(matches!(fault, ListFault::NothingUsable { lines: 1, .. }), "{line}: {fault}");
    }
    check("192.0.2.1", &["=192.0.2.1"]);
    check("2001:DB8::1", &["=[2001:db8::1]"]);
}

#[test]
fn b13_every_spelling_loads_to_one_form() {
    let text = "b\u{fc}cher.test\nxn--bcher-kva.test\nB\u{dc}CHER.test\n.bu\u{308}cher.test.\nXN--BCHER-KVA.TEST\n";
    let (list, report) = read_names(text.as_bytes()).unwrap();
    assert_eq!(entries(&list), ["xn--bcher-kva.test"]);
    assert_eq!((report.accepted, report.duplicates), (1, 4));
}

#[test]
fn gzip_in_one_or_more_members() {
    let (list, _) = read_names(&[gzip(b"b.test\n"), gzip(b"a.test\n")].concat()).unwrap();
    assert_eq!(entries(&list), ["a.test", "b.test"]);
    let broken = gzip(b"a.test\nb.test\n");
    assert!(matches!(read_names(&broken[..broken.len() - 6]), Err(ListFault::Gzip(_))));
    assert!(matches!(read_names(b"\x1f\x8b"), Err(ListFault::Gzip(_))));
}

#[test]
fn a_bomb_ends_at_its_bound() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b'a'; 1 << 20];
    for _ in 0..64 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(matches!(read_names(&bomb), Err(ListFault::TooLarge { max }) if max < 40 << 20));
    assert!(matches!(read_addresses(&bomb), Err(ListFault::TooLarge { .. })));
}

/// Compressed by the reference program: `printf 'b.test\na.test\n' | zstd -19`.
const ZSTD: &[u8] = include_bytes!("../../../../tests/data/lists/two.txt.zst");

#[test]
fn zstd_in_one_or_more_frames() {
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    for bytes in [ZSTD.to_vec(), [&skipped, ZSTD].concat(), [ZSTD, &skipped, ZSTD].concat()] {
        let (list, _) = read_names(&bytes).unwrap();
        assert_eq!(entries(&list), ["a.test", "b.test"]);
    }
    for cut in 4..ZSTD.len() {
        assert!(matches!(read_names(&ZSTD[..cut]), Err(ListFault::Zstd(_))), "{cut}");
    }
    let mut wrong = ZSTD.to_vec();
    *wrong.last_mut().unwrap() ^= 1;
    assert!(matches!(read_names(&wrong), Err(ListFault::Zstd(_))));
    let trailing = [ZSTD, b"c.test\n"].concat();
    assert!(matches!(read_names(&trailing), Err(ListFault::Zstd(_))));
}

#[test]
fn a_zstd_bomb_ends_at_its_bound() {
    // Frames of one repeated byte each: 128 KiB out of 13 bytes (RFC 8878 section 3.1.1.2.2).
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0x00, 0x00, 0x02, 0x00, 0x03, 0x00, 0x10, b'a'];
    assert!(read_names(&frame).is_err_and(|fault| !matches!(fault, ListFault::Zstd(_))));
    let bomb = frame.repeat(1_000);
    assert!(matches!(read_names(&bomb), Err(ListFault::TooLarge { max }) if max < 20 << 20));
    assert!(matches!(read_addresses(&bomb), Err(ListFault::TooLarge { .. })));
}

#[test]
fn a_set_survives_its_file_and_nothing_else_is_one() {
    let (list, _) = read_names("b.test\n=a.test\na.test\n[2001:db8::1]\n".as_bytes()).unwrap();
    let file = list.to_file();
    assert!(file.starts_with(b"enforcegate-names 1 4\n"));
    assert_eq!(NameList::from_file(&file).unwrap(), list);
    assert_eq!(NameList::from_file(&NameList::default().to_file()).unwrap(), NameList::default());
    for bad in [
        "",
        "enforcegate-names 2 0\n",
        "enforcegate-names 1 1\n",
        "enforcegate-names 1 2\nb\na\n",
        "enforcegate-names 1 2\na\na\n",
        "enforcegate-names 1 1\nA\n",
        "enforcegate-names 1 1\na",
        "enforcegate-names 1 1\n\n",
        "enforcegate-names 1 01\na\n",
        "enforcegate-names 1 +1\na\n",
    ] {
        assert!(NameList::from_file(bad.as_bytes()).is_err(), "{bad:?}");
    }
}

#[test]
fn addresses_are_merged() {
    let text = "10.0.0.0/9\n10.128.0.0/9 # half\n\n192.0.2.1\n192.0.2.2-192.0.2.9\n192.0.2.1\nx\n2001:db8::/32\n10.1.1.1:80\n";
    let (list, report) = read_addresses(text.as_bytes()).unwrap();
    let ranges: Vec<String> =
        list.iter().map(|range| format!("{}-{}", range.first, range.last)).collect();
    assert_eq!(
        ranges,
        [
            "10.0.0.0-10.255.255.255",
            "192.0.2.1-192.0.2.9",
            "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"
        ]
    );
    assert_eq!((report.accepted, report.duplicates, report.refused_count), (5, 1, 2));
    assert_eq!(AddressList::from_file(&list.to_file()).unwrap(), list);
    // `::/80` ends with the last mapped address.
    let (wide, _) = read_addresses(b"::/80\n::/0\n::ffff:0:0/95\n").unwrap();
    assert_eq!(AddressList::from_file(&wide.to_file()).unwrap(), wide);
    let (wide, _) = read_addresses(b"::/80\n").unwrap();
    assert_eq!(wide.to_file(), b"enforcegate-addresses 1 1\n::-::ffff:255.255.255.255\n");
    assert_eq!(AddressList::from_file(&wide.to_file()).unwrap(), wide);
    for bad in [
        "",
        "enforcegate-addresses 1 1\n",
        "enforcegate-addresses 1 1\n10.0.0.0/8\n",
        "enforcegate-addresses 1 1\n10.0.0.2-10.0.0.1\n",
        "enforcegate-addresses 1 1\n10.0.0.2-::\n",
        "enforcegate-addresses 1 1\n::ffff:10.0.0.1-::ffff:10.0.0.1\n",
        "enforcegate-addresses 1 2\n10.0.0.1-10.0.0.1\n10.0.0.2-10.0.0.2\n",
    ] {
        assert!(AddressList::from_file(bad.as_bytes()).is_err(), "{bad:?}");
    }
}

#[test]
fn real_tiers_have_their_counts() {
    let Some(data) = folder_or_skip("lists: real_tiers_have_their_counts") else { return };
    for (tier, expected) in
        [("10k", 10_000), ("100k", 100_000), ("1m", 1_000_000), ("all", 2_660_483)]
    {
        let mut total = 0;
        let start = std::time::Instant::now();
        let mut odd = Vec::new();
        for folder in std::fs::read_dir(data.join("domains/tiers").join(tier)).unwrap() {
            let file = folder.unwrap().path().join("domains.gz");
            let (list, report) = read_names(&std::fs::read(file).unwrap()).unwrap();
            assert_eq!(NameList::from_file(&list.to_file()).unwrap(), list);
            total += report.accepted
                + report.public_suffix_count
                + report.refused_count
                + report.duplicates;
            odd.push((report.refused_count, report.public_suffix_count, report.duplicates));
        }
        let sum = odd.iter().fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
        say(&format!(
            "{tier}: {total} in {:?}; refused, suffixes, duplicates {sum:?}\n",
            start.elapsed()
        ));
        assert_eq!(total, expected, "{tier}");
        assert_eq!(sum.2, 0, "{tier}");
    }
}

#[test]
fn the_small_list_of_the_repository() {
    let path = in_tree("tests/data/lists/documentation.txt");
    let (list, report) = read_names(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!((list.len(), report.refused_count, report.public_suffix_count), (100, 0, 0));
}
