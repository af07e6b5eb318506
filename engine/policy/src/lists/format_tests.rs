//! Lists of other programs: what each format gives, what it refuses, and what cannot be told apart
//! (evasions J02, J04, J05).

use super::*;
use crate::check::Scope;
use crate::real_data::{folder_or_skip, say};
use crate::regex::RegexPattern;

fn read(text: &[u8], format: Option<ListFormat>) -> Result<(ListSets, ListReport), ListFault> {
    let (sets, mut reports) = read_list(&RawList::file(text.to_vec()), format)?;
    assert_eq!(reports.len(), 1);
    Ok((sets, reports.remove(0)))
}

fn names(sets: &ListSets) -> Vec<String> {
    let text = |(name, scope): (&str, Scope)| match scope {
        Scope::Tree => name.to_owned(),
        Scope::Host => format!("={name}"),
    };
    sets.names.iter().map(text).collect()
}

fn reasons(report: &ListReport) -> Vec<(u64, RefusedLine)> {
    report.refused.clone()
}

#[test]
fn j02_hosts_give_the_right_names_only() {
    let text = "127.0.0.1 localhost\n127.0.0.1 localhost.localdomain\n127.0.0.1 local\n\
        255.255.255.255 broadcasthost\n::1 localhost\n::1 ip6-localhost ip6-loopback\n\
        fe80::1%lo0 localhost\nff00::0 ip6-localnet\n0.0.0.0 0.0.0.0\n0.0.0.0 LocalHost.\n\
        127.0.0.1 blocked.test other.test # c\n0.0.0.0\tTabs.test\r\n:: v6.test\n\
        93.184.216.34 elsewhere.test\n0.0.0.0 good.test bad..test\nalone.test\n0.0.0.0\n\
        0.0.0.0 com\n0.0.0.0 *.x.test\n0.0.0.0 nul\0.test\n";
    let (sets, report) = read(text.as_bytes(), None).unwrap();
    let expected = ["blocked.test", "good.test", "other.test", "tabs.test", "v6.test"];
    assert_eq!(names(&sets), expected);
    assert_eq!((report.format, report.local_names, report.folded), (ListFormat::Hosts, 11, 1));
    let expected = [
        (14, RefusedLine::LeadsElsewhere),
        (15, RefusedLine::NotAName),
        (16, RefusedLine::NotHosts),
        (17, RefusedLine::NotHosts),
        (19, RefusedLine::NotAName),
        (20, RefusedLine::Control),
    ];
    assert_eq!(reasons(&report), expected);
    assert_eq!(report.public_suffixes, [(18, "com".to_owned())]);
    // A machine's own hosts file blocks nothing, and says so.
    let own = "127.0.0.1 localhost\n::1 ip6-localhost\n";
    assert!(matches!(
        read(own.as_bytes(), None),
        Err(ListFault::NothingUsable { format: ListFormat::Hosts, .. })
    ));
}

#[test]
fn dnsmasq_options_that_lead_to_nowhere() {
    let text = "# c\naddress=/a.test/\naddress=/b.test/0.0.0.0\naddress=/c.test/::\n\
        address=/d.test/#\nserver=/E.test/\nlocal=/f.test/g.test/\n address = /h.test/127.0.0.1\n\
        address=/i.test/192.0.2.1\nserver=/j.test/9.9.9.9\nserver=/k.test/#\naddress=/#/0.0.0.0\n\
        conf-dir=/etc/x\naddress=/l..test/\nserver=9.9.9.9\naddress=/uk/\naddress=//\n";
    let (sets, report) = read(text.as_bytes(), None).unwrap();
    let expected = ["a.test", "b.test", "c.test", "d.test", "e.test", "f.test", "g.test", "h.test"];
    assert_eq!(names(&sets), expected);
    assert_eq!((report.format, report.exceptions), (ListFormat::Dnsmasq, 1));
    let expected = [
        (9, RefusedLine::LeadsElsewhere),
        (10, RefusedLine::LeadsElsewhere),
        (12, RefusedLine::Everything),
        (13, RefusedLine::DnsmasqOption),
        (14, RefusedLine::NotAName),
        (15, RefusedLine::DnsmasqOption),
        (17, RefusedLine::NotAName),
    ];
    assert_eq!(reasons(&report), expected);
    assert_eq!(report.public_suffix_count, 1);
}

#[test]
fn j04_ad_blockers_block_whole_hosts_and_permit_nothing() {
    let text = "[Adblock Plus 2.0]\n! c\n# c\n||a.test^\n||B.test^\r\n||192.0.2.1^\n\
        @@||bank.test^\n@@/x/\n||c.test^$third-party\n||d.test/ads^\n||e.test\n||*.f.test^\n\
        ##.banner\ng.test##.ad\ng.test#@#.ad\n/banner/\n-ads-\nplain.test\n||com^\n||h.test^|\n";
    let (sets, report) = read(text.as_bytes(), None).unwrap();
    assert_eq!(names(&sets), ["=192.0.2.1", "a.test", "b.test"]);
    assert_eq!((report.format, report.exceptions), (ListFormat::Adblock, 2));
    assert_eq!(report.first_exception, Some(7));
    let expected = [
        (9, RefusedLine::AdblockOptions),
        (10, RefusedLine::AdblockPattern),
        (11, RefusedLine::AdblockPattern),
        (12, RefusedLine::AdblockPattern),
        (13, RefusedLine::AdblockCosmetic),
        (14, RefusedLine::AdblockCosmetic),
        (15, RefusedLine::AdblockCosmetic),
        (16, RefusedLine::AdblockPattern),
        (17, RefusedLine::AdblockPattern),
        (18, RefusedLine::AdblockPattern),
        (20, RefusedLine::AdblockPattern),
    ];
    assert_eq!(reasons(&report), expected);
}

#[test]
fn policy_zones_block_names_alone_or_with_all_below() {
    let text = "$TTL 2h\n@ IN SOA localhost. root.localhost. (\n 1 2h ; serial\n 30m 30d 1h )\n\x20IN NS localhost.\nbad.test CNAME .\nBad2.test 300 IN CNAME *.\n*.tree.test IN CNAME .\n\
        drop.test CNAME rpz-drop.\nbank.test CNAME rpz-passthru.\nold.test CNAME old.test.\n\
        garden.test CNAME walled.garden.\nlocal.test A 127.0.0.1\ntcp.test CNAME rpz-tcp-only.\n\
        32.1.2.0.192.rpz-ip CNAME .\nns.evil.test.rpz-nsdname CNAME .\n* CNAME .\n*.com CNAME .\n\
        only\nx..test CNAME .\n   CNAME .\n";
    let (sets, report) = read(text.as_bytes(), None).unwrap();
    assert_eq!(names(&sets), ["=bad.test", "=bad2.test", "=drop.test", "tree.test"]);
    assert_eq!((report.format, report.exceptions), (ListFormat::Rpz, 2));
    let expected = [
        (12, RefusedLine::RpzAction),
        (13, RefusedLine::RpzAction),
        (14, RefusedLine::RpzAction),
        (15, RefusedLine::RpzTrigger),
        (16, RefusedLine::RpzTrigger),
        (17, RefusedLine::Everything),
        (19, RefusedLine::RpzRecord),
        (20, RefusedLine::NotAName),
        (21, RefusedLine::NotAName),
    ];
    assert_eq!(reasons(&report), expected);
    assert_eq!(report.public_suffixes, [(18, "com".to_owned())]);
}

/// A bracket that nobody closes costs its own record and no other.
#[test]
fn a_record_that_never_ends_spoils_nothing() {
    let text = "$TTL 2h\n@ SOA a. b. (\n 1 2\n 3 4 5 )\na.test CNAME .\nbad.test TXT (\n x\n\
        b.test CNAME .\nc.test CNAME *.\nd.test (\n CNAME . )\ne.test CNAME . (\nf.test CNAME .\n\
        last.test TXT (\n more\n";
    let (sets, report) = read(text.as_bytes(), None).unwrap();
    let expected = ["=a.test", "=b.test", "=c.test", "=d.test", "=e.test", "=f.test"];
    assert_eq!(names(&sets), expected);
    let lines: Vec<u64> = report.refused.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [6, 10, 12, 14], "{:?}", report.refused);
}

#[test]
fn a_zone_that_says_its_name_has_it_taken_away() {
    let text = "$ORIGIN rpz.example.\n@ SOA a. b. 1 2 3 4 5\nbad.test CNAME .\n\
        abs.test.rpz.example. CNAME .\n*.w.test.rpz.example. CNAME .\nout.test. CNAME .\n\
        $ORIGIN test.rpz.example.\nshort CNAME .\n$INCLUDE other\n";
    let (sets, report) = read(text.as_bytes(), None).unwrap();
    assert_eq!(names(&sets), ["=abs.test", "=bad.test", "=short.test", "w.test"]);
    assert_eq!(reasons(&report), [(6, RefusedLine::RpzOutside), (9, RefusedLine::RpzRecord)]);
    let text = "rpz.example. SOA a. b. 1 2 3 4 5\nx.test.rpz.example. CNAME .\ny.test CNAME .\n";
    assert_eq!(names(&read(text.as_bytes(), None).unwrap().0), ["=x.test", "=y.test"]);
    // Without a name of the zone nobody knows what an absolute name means.
    let text = "bad.test CNAME .\nabs.test. CNAME .\n";
    let (sets, report) = read(text.as_bytes(), None).unwrap();
    assert_eq!((names(&sets).len(), report.refused_count), (1, 1));
}

#[test]
fn urls_have_neither_scheme_nor_port() {
    let text = "a.test/x\nhttp://A.test:8080/x\nhttps://b.test/p%61th/../q?k=v#part\nc.test\n\
        d.test/a b\n*.e.test/x\nuser@f.test/x\nhttp:///x\ngopher://g.test/\n@@||h.test/\n\
        192.0.2.1:8080/x # c\n/rooted\n";
    let (sets, report) = read(text.as_bytes(), Some(ListFormat::Urls)).unwrap();
    let urls: Vec<String> = sets.urls.iter().map(|(host, rest)| format!("{host}{rest}")).collect();
    let expected = ["192.0.2.1/x", "a.test/x", "b.test/q?k=v", "c.test/", "d.test/a%20b"];
    assert_eq!(urls, expected);
    assert_eq!((report.accepted, report.duplicates, report.folded), (5, 1, 5));
    let lines: Vec<u64> = report.refused.iter().map(|(line, _)| *line).collect();
    assert_eq!((lines, report.exceptions), (vec![6, 7, 8, 9, 12], 1));
    assert!(sets.names.is_empty());
    let file = sets.urls.to_file();
    assert!(file.starts_with(b"enforcegate-urls 1 5\n"));
    assert_eq!(UrlList::from_file(&file).unwrap(), sets.urls);
    for bad in [
        "",
        "enforcegate-urls 1 1\n",
        "enforcegate-urls 1 1\na.test\n",
        "enforcegate-urls 1 1\n/x\n",
        "enforcegate-urls 1 1\nA.test/\n",
        "enforcegate-urls 1 2\nb.test/\na.test/\n",
        "enforcegate-urls 1 1\na.test/ x\n",
        "enforcegate-urls 2 1\na.test/\n",
    ] {
        assert!(UrlList::from_file(bad.as_bytes()).is_err(), "{bad:?}");
    }
    // Without the word, a list of URLs is a fault that names it.
    let fault = read(b"a.test/x\nb.test/y\n", None).unwrap_err().to_string();
    assert!(fault.contains("`as urls`"), "{fault}");
}

#[test]
fn ufdbguard_has_names_and_urls() {
    let text = b"a.test\nb.test/x\n.c.test\n";
    let (sets, _) = read(text, Some(ListFormat::Ufdbguard)).unwrap();
    assert_eq!((names(&sets), sets.urls.len()), (vec!["a.test".into(), "c.test".into()], 1));
}

#[test]
fn expressions_that_no_rule_may_have_are_lines_of_the_report() {
    let text = "# c\n/ads[0-9]+/\n(a)\\1\n/ads[0-9]+/\r\n(?=x)y\n.*\n(\n  [?]q=a #b  \n";
    let (sets, report) = read(text.as_bytes(), Some(ListFormat::Expressions)).unwrap();
    let patterns: Vec<_> = sets.expressions.patterns().iter().map(RegexPattern::as_str).collect();
    assert_eq!(patterns, ["/ads[0-9]+/", "[?]q=a #b"]);
    let lines: Vec<u64> = report.refused.iter().map(|(line, _)| *line).collect();
    assert_eq!((lines, report.duplicates), (vec![3, 5, 6, 7], 1));
    let file = sets.expressions.to_file();
    assert_eq!(ExpressionList::from_file(&file).unwrap(), sets.expressions);
    for bad in [
        "",
        "enforcegate-expressions 1 1\n(\n",
        "enforcegate-expressions 1 2\nb\na\n",
        "enforcegate-expressions 1 2\na\n",
    ] {
        assert!(ExpressionList::from_file(bad.as_bytes()).is_err(), "{bad:?}");
    }
}

#[test]
fn what_fits_two_formats_is_refused_until_a_rule_says_which() {
    let mixed = b"a.test\nb.test\n0.0.0.0 c.test\n";
    let fault = read(mixed, None).unwrap_err();
    assert!(matches!(
        fault,
        ListFault::Ambiguous { first: ListFormat::Plain, second: ListFormat::Hosts, .. }
    ));
    assert!(fault.to_string().contains("as plain"), "{fault}");
    assert_eq!(names(&read(mixed, Some(ListFormat::Plain)).unwrap().0), ["a.test", "b.test"]);
    assert_eq!(names(&read(mixed, Some(ListFormat::Hosts)).unwrap().0), ["c.test"]);
    let clear = b"a.test\nb.test\nd.test\n0.0.0.0 c.test\n";
    assert_eq!(read(clear, None).unwrap().1.format, ListFormat::Plain);
    // The other lines of a format that is taken are refused, one by one.
    assert_eq!(read(clear, None).unwrap().1.refused, [(4, RefusedLine::SeveralWords)]);
    assert!(matches!(
        read(b"a.test\n", Some(ListFormat::Squidguard)),
        Err(ListFault::FolderFormat)
    ));
}

#[test]
fn j05_a_page_instead_of_a_list_is_a_fault() {
    for page in [
        "<!DOCTYPE html>\n<html>\nError\n404\n</html>\n",
        "\n  <html><body>\nmaintenance\n",
        "<?xml version=\"1.0\"?>\n<Error>\nAccessDenied\n",
    ] {
        for format in [None, Some(ListFormat::Plain), Some(ListFormat::Hosts)] {
            assert!(matches!(read(page.as_bytes(), format), Err(ListFault::WebPage)), "{page}");
        }
    }
    for text in ["{\"error\": \"rate limit\"}\n", "404: Not Found\n"] {
        let fault = read(text.as_bytes(), None).unwrap_err();
        assert!(matches!(fault, ListFault::NothingUsable { .. }), "{text}: {fault}");
    }
    assert!(matches!(read_addresses(b"<html>\n"), Err(ListFault::NothingUsable { lines: 1, .. })));
    // Nothing at all is an empty list; the engine's guard is about those.
    for empty in ["", "\n\n", "# none today\n", "\u{feff}"] {
        assert!(read(empty.as_bytes(), None).unwrap().0.is_empty());
    }
}

#[test]
fn a_folder_is_read_by_the_names_of_its_files() {
    let folder = |parts: &[(ListPart, &str)], format| {
        let parts = parts.iter().map(|(part, text)| (*part, text.as_bytes().to_vec())).collect();
        read_list(&RawList::folder(parts), format)
    };
    let all = [
        (ListPart::Domains, "a.test\nb.test/x\n"),
        (ListPart::Urls, "c.test/x\nd.test\n"),
        (ListPart::Expressions, "/ads[0-9]\n(\n"),
    ];
    for format in [None, Some(ListFormat::Squidguard), Some(ListFormat::Ufdbguard)] {
        let (sets, reports) = folder(&all, format).unwrap();
        assert_eq!((sets.names.len(), sets.urls.len(), sets.expressions.len()), (1, 2, 1));
        let refused: Vec<_> = reports.iter().map(|report| report.refused_count).collect();
        assert_eq!(refused, [1, 0, 1]);
        assert_eq!(reports[1].part.path("/l/ads"), "/l/ads/urls");
    }
    assert!(matches!(
        folder(&all, Some(ListFormat::Hosts)),
        Err(ListFault::FileFormat { format: ListFormat::Hosts })
    ));
    assert!(folder(&[(ListPart::Domains, ""), (ListPart::Urls, "a.test/\n")], None).is_ok());
    assert!(folder(&[(ListPart::Domains, "$0/\n"), (ListPart::Urls, "")], None).is_err());
}

#[test]
fn the_source_says_bytes_format_and_version() {
    let (one, other) = (RawList::file(b"a".to_vec()), RawList::file(b"b".to_vec()));
    assert_ne!(one.source(None), other.source(None));
    assert_ne!(one.source(None), one.source(Some(ListFormat::Plain)));
    assert_ne!(one.source(None), crate::digest::Digest::of(b"a"));
    assert_eq!(one.format_of(one.source(None)), Ok(None));
    let rpz = one.source(Some(ListFormat::Rpz));
    assert_eq!(one.format_of(rpz), Ok(Some(ListFormat::Rpz)));
    assert_eq!(other.format_of(rpz), Err(OtherSource));
    let folder = RawList::folder(vec![(ListPart::Domains, b"a".to_vec())]);
    assert_ne!(one.source(None), folder.source(None));
}

#[test]
fn four_forms_of_one_list_are_one_set() {
    let Some(data) = folder_or_skip("lists: four_forms_of_one_list_are_one_set") else { return };
    let forms = [
        ("scam.txt.gz", ListFormat::Hosts),
        ("scam-ags.txt.gz", ListFormat::Adblock),
        ("scam-dnsmasq.txt.gz", ListFormat::Dnsmasq),
        ("scam-nl.txt.gz", ListFormat::Plain),
    ];
    let mut digests = Vec::new();
    for (file, format) in forms {
        let bytes = std::fs::read(data.join("domains/formats").join(file)).unwrap();
        let (sets, report) = read(&bytes, None).unwrap();
        assert_eq!((report.format, report.refused_count), (format, 0), "{file}");
        say(&format!("{file}: {} names of {} lines\n", sets.names.len(), report.lines));
        digests.push((sets.names.digest(), sets.names.len()));
        let (forced, _) = read(&bytes, Some(format)).unwrap();
        assert_eq!(forced, sets);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
    assert!(digests[0].1 > 8_500);
}

#[test]
fn hazards_as_they_were_published() {
    let Some(data) = folder_or_skip("lists: hazards_as_they_were_published") else { return };
    let hazard = |file: &str| std::fs::read(data.join("domains/hazards").join(file)).unwrap();
    let broken = hazard("blocklistproject-malware-dnsmasq-broken-publish.txt.gz");
    for format in [None, Some(ListFormat::Dnsmasq), Some(ListFormat::Plain)] {
        let fault = read(&broken, format).unwrap_err();
        assert!(matches!(fault, ListFault::NothingUsable { lines: 456_348, .. }), "{fault}");
    }
    let mixed = hazard("maltrail-elf_mirai-mixed.txt.gz");
    let (sets, report) = read(&mixed, None).unwrap();
    assert_eq!((report.format, report.lines), (ListFormat::Plain, 65_618));
    // Counted by hand: 37,611 paths, 1,885 URLs, 10,916 addresses with a port, 4,386 names.
    assert_eq!(report.reasons, [(RefusedLine::Url, 39_496), (RefusedLine::Port, 10_916)]);
    assert_eq!(report.accepted + report.duplicates + report.public_suffix_count, 4_386);
    assert_eq!(report.accepted, sets.names.len());
    let (urls, report) = read(&mixed, Some(ListFormat::Ufdbguard)).unwrap();
    say(&format!("mixed as ufdbguard: {} urls, {:?}\n", urls.urls.len(), report.reasons));
    assert_eq!(urls.names, sets.names);
    assert!(urls.urls.len() > 1_700 && report.reasons.contains(&(RefusedLine::Port, 10_916)));
}

#[test]
fn real_filter_lists_are_recognised() {
    let Some(data) = folder_or_skip("lists: real_filter_lists_are_recognised") else { return };
    for (file, plain) in [("easylist", 45_587), ("easyprivacy", 42_958)] {
        let path = data.join("adblock").join(format!("{file}.txt.gz"));
        let (sets, report) = read(&std::fs::read(path).unwrap(), None).unwrap();
        say(&format!(
            "{file}: {} names, {} refused, {} exceptions, {} duplicates\n",
            sets.names.len(),
            report.refused_count,
            report.exceptions,
            report.duplicates
        ));
        assert_eq!(report.format, ListFormat::Adblock);
        let taken = sets.names.len() + report.duplicates + report.public_suffix_count;
        assert!(taken <= plain && taken > plain / 2, "{taken}");
    }
}
