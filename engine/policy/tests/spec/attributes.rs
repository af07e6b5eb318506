//! Each attribute: what it matches and, as important, what it does not (SPEC 3).

use super::bench::{one, refuses};

/// Asks a policy of one rule `r` that denies; `yes` lines must meet it, `no` lines the default.
fn rule(attributes: &str, yes: &[&str], no: &[&str]) {
    let text = format!("r: {{\n{attributes}\n}}");
    let yes = yes.iter().map(|line| (*line, "deny r"));
    let no = no.iter().map(|line| (*line, "default"));
    one(&text).decides(&yes.chain(no).collect::<Vec<_>>());
}

#[test]
fn uri_is_a_literal_prefix_of_a_whole_host() {
    rule(
        "match-uri: https://a.example",
        &[
            "request https://a.example",
            "request https://a.example/",
            "request https://a.example/x?y",
            "request https://A.EXAMPLE./x",
        ],
        &[
            "request https://a.example.evil.com/",
            "request https://www.a.example/",
            "request https://xa.example/",
            "request https://a.example@evil.com/",
            "request http://a.example/",
            "request ftp://a.example/",
            "request https://evil.com/https://a.example/",
            "request https://evil.com/?https://a.example/",
        ],
    );
    rule(
        "match-uri: a.example/deb",
        &[
            "request http://a.example/deb",
            "request http://a.example/debian",
            "request http://a.example/deb/",
            "request http://a.example/deb?x",
        ],
        &[
            "request http://a.example/de",
            "request http://a.example/",
            "request http://a.example/x/deb",
            "request http://a.example/DEB",
            "request http://a.example/?/deb",
            "request http://a.example/#/deb",
        ],
    );
}

#[test]
fn uri_without_scheme_fits_any_scheme_and_without_port_any_port() {
    rule(
        "match-uri: a.example/x",
        &[
            "request http://a.example/x",
            "request https://a.example/x",
            "request ftp://a.example/x",
            "request http://a.example:8080/x",
            "request https://a.example:8443/x",
        ],
        &[],
    );
    rule(
        "match-uri: https://a.example/x",
        &["request https://a.example:8443/x", "request https://a.example:443/x"],
        &["request http://a.example:443/x"],
    );
    rule(
        "match-uri: a.example:8080/x",
        &["request http://a.example:8080/x", "request https://a.example:08080/x"],
        &["request http://a.example/x", "request http://a.example:80/x"],
    );
    rule(
        "match-uri: http://a.example:8080/x",
        &["request http://a.example:8080/x"],
        &["request http://a.example/x", "request https://a.example:8080/x"],
    );
    // a port that is written is asked for, the scheme's own too
    rule(
        "match-uri: a.example:443/x",
        &["request https://a.example/x", "request http://a.example:443/x"],
        &["request https://a.example:8443/x", "request http://a.example/x"],
    );
    rule(
        "match-uri: https://a.example:443/x",
        &["request https://a.example/x", "request https://a.example:443/x"],
        &["request https://a.example:8443/x"],
    );
}

#[test]
fn uri_literals_are_canonicalised_like_a_request() {
    rule(
        "match-uri: HTTP://A.Example./b/../x/%7e%2f",
        &[
            "request http://a.example/x/~%2F",
            "request http://a.example/x/%7E%2f1",
            "request http://a.example/./x/~%2f",
        ],
        &["request http://a.example/x/~", "request http://a.example/b/x/~%2f"],
    );
    rule(
        "match-uri: a.example//x",
        &["request http://a.example/x"],
        &["request http://a.example/y"],
    );
    rule(
        "match-uri: http://b\u{fc}cher.example/",
        &["request http://xn--bcher-kva.example/", "request http://b\\xc3\\xbccher.example/x"],
        &["request http://bucher.example/"],
    );
    rule(
        "match-uri: http://0x7f.1/",
        &["request http://127.0.0.1/", "request http://2130706433/x"],
        &["request http://127.0.0.2/"],
    );
    rule(
        "match-uri: http://[2001:DB8:0::1]/",
        &["request http://[2001:db8::1]/"],
        &["request http://[2001:db8::2]/"],
    );
    rule(
        "match-uri: a.example/s?q=x",
        &["request http://a.example/s?q=x&y", "request http://a.example/s?q=%78"],
        &["request http://a.example/s?y&q=x", "request http://a.example/s%3Fq=y"],
    );
    rule(
        "match-uri: a.example/\u{fc}",
        &["request http://a.example/%c3%bc", "request http://a.example/\\xc3\\xbc"],
        &["request http://a.example/u"],
    );
}

#[test]
fn domain_is_the_host_or_any_parent() {
    let tree = &[
        "request http://b.example/",
        "request https://b.example:8443/x",
        "request ftp://b.example/",
        "request http://www.b.example/",
        "request http://a.b.c.d.b.example/",
        "request http://B.Example./",
        "connect b.example:443",
        "connect www.b.example:22",
    ];
    let others = &[
        "request http://notb.example/",
        "request http://b.example.evil.com/",
        "request http://example/",
        "request http://b-example/",
        "request http://example.b/",
        "request http://evil.com/b.example",
        "request http://b.example@evil.com/",
    ];
    for text in [
        "b.example",
        ".b.example",
        "*.b.example",
        "B.EXAMPLE",
        "b.example.",
        "\"b.example\"",
        "b.example, b.example",
        "other.test, b.example",
    ] {
        rule(&format!("match-domain: {text}"), tree, others);
    }
    rule(
        "match-domain: =b.example",
        &["request http://b.example/", "request http://b.example./", "connect b.example:443"],
        &["request http://www.b.example/", "request http://notb.example/"],
    );
    // the wider of two entries counts
    for text in ["=b.example, b.example", "b.example, =b.example"] {
        rule(&format!("match-domain: {text}"), tree, others);
    }
}

#[test]
fn domain_folds_idn_and_takes_odd_names() {
    for text in [
        "b\u{fc}cher.example",
        "XN--BCHER-KVA.example",
        "B\u{dc}CHER.example",
        "bu\u{308}cher.example",
    ] {
        rule(
            &format!("match-domain: {text}"),
            &["request http://xn--bcher-kva.example/", "request http://w.b\\xc3\\xbccher.example/"],
            &["request http://bucher.example/"],
        );
    }
    // not transitional
    rule(
        "match-domain: strasse.example",
        &["request http://strasse.example/"],
        &["request http://stra\\xc3\\x9fe.example/"],
    );
    rule(
        "match-domain: _x.a.example",
        &["request http://_x.a.example/"],
        &["request http://x.a.example/"],
    );
    rule(
        "match-domain: r3---sn-x.googlevideo.com",
        &["request http://r3---sn-x.googlevideo.com/"],
        &["request http://sn-x.googlevideo.com/"],
    );
    rule("match-domain: localhost", &["request http://localhost/"], &["request http://127.0.0.1/"]);
}

#[test]
fn an_address_is_a_host_of_its_own_as_a_domain() {
    rule(
        "match-domain: 127.0.0.1",
        &[
            "request http://127.0.0.1/",
            "request http://0177.0.0.1/",
            "request http://2130706433/",
            "request http://[::ffff:127.0.0.1]/",
            "connect 127.0.0.1:443",
        ],
        &["request http://127.0.0.2/", "request http://a.127.0.0.1.nip.example/"],
    );
    rule(
        "match-domain: 0x7f.2",
        &["request http://127.0.0.2/", "request http://127.2/"],
        &["request http://127.0.0.1/", "request http://0.2/"],
    );
    rule(
        "match-domain: 2001:db8::1",
        &["request http://[2001:db8::1]/", "request http://[2001:DB8:0:0::0001]/"],
        &["request http://[2001:db8::2]/"],
    );
}

#[test]
fn sni_is_a_name_with_domain_semantics() {
    rule(
        "match-sni: b.example",
        &[
            "hello a.example:443 | sni=b.example",
            "hello a.example:443 | sni=www.b.example",
            "hello a.example:443 | sni=B.EXAMPLE.",
            "hello 192.0.2.1:443 | sni=b.example",
            "request https://a.example/ | sni=b.example",
        ],
        &[
            "hello b.example:443 | sni=a.example",
            "hello b.example:443",
            "hello a.example:443 | sni=notb.example",
            "hello a.example:443 | sni=b.example.evil.com",
            "request https://b.example/ | sni=a.example",
            "request http://b.example/",
            // in connect the SNI is not known, whoever says it is
            "connect b.example:443 | sni=b.example",
        ],
    );
    rule(
        "match-sni: =b.example, b\u{fc}cher.example",
        &[
            "hello a.example:443 | sni=b.example",
            "hello a.example:443 | sni=w.xn--bcher-kva.example",
        ],
        &["hello a.example:443 | sni=www.b.example"],
    );
}

#[test]
fn source_is_the_client() {
    let at = |client: &str| format!("request http://a.example/ | client={client}");
    for (value, yes, no) in [
        ("192.0.2.5", &["192.0.2.5", "::ffff:192.0.2.5"][..], &["192.0.2.6", "2001:db8::5"][..]),
        ("192.0.2.0/24", &["192.0.2.0", "192.0.2.255"], &["192.0.1.255", "192.0.3.0"]),
        ("192.0.2.77/24", &["192.0.2.0", "192.0.2.255"], &["192.0.3.0"]),
        ("192.0.2.5/32", &["192.0.2.5"], &["192.0.2.4", "192.0.2.6"]),
        ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["2001:db8::1"]),
        ("::/0", &["2001:db8::1", "::1"], &["192.0.2.5"]),
        (
            "192.0.2.10-192.0.2.20",
            &["192.0.2.10", "192.0.2.15", "192.0.2.20"],
            &["192.0.2.9", "192.0.2.21"],
        ),
        (
            "10.0.0.255-10.0.2.0",
            &["10.0.0.255", "10.0.1.7", "10.0.2.0"],
            &["10.0.0.254", "10.0.2.1"],
        ),
        ("2001:db8::/32", &["2001:db8::", "2001:db8:ffff::1"], &["2001:db9::"]),
        (
            "2001:db8::5-2001:db8::a",
            &["2001:db8::5", "2001:db8::a"],
            &["2001:db8::4", "2001:db8::b"],
        ),
        ("::ffff:192.0.2.5", &["192.0.2.5"], &["192.0.2.6"]),
        ("192.0.2.1, 192.0.2.3", &["192.0.2.1", "192.0.2.3"], &["192.0.2.2"]),
    ] {
        let (yes, no): (Vec<_>, Vec<_>) =
            (yes.iter().map(|c| at(c)).collect(), no.iter().map(|c| at(c)).collect());
        rule(
            &format!("match-source: {value}"),
            &yes.iter().map(String::as_str).collect::<Vec<_>>(),
            &no.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }
    // the destination is not the client
    rule("match-source: 198.51.100.1", &[], &["request http://198.51.100.1/"]);
}

#[test]
fn source_takes_a_list() {
    let text = "r: {\n match-source: lists/office.list, 198.51.100.0/24\n}";
    one(text)
        .list("lists/office.list", b"# office\n10.1.0.0/16\n10.9.0.1-10.9.0.9\r\n2001:db8::7\n")
        .decides(&[
            ("request http://a.example/ | client=10.1.255.255", "deny r"),
            ("request http://a.example/ | client=10.9.0.5", "deny r"),
            ("request http://a.example/ | client=2001:db8::7", "deny r"),
            ("request http://a.example/ | client=198.51.100.7", "deny r"),
            ("request http://a.example/ | client=10.2.0.0", "default"),
            ("request http://a.example/ | client=10.9.0.10", "default"),
        ]);
    let text = "r: {\n match-destination: lists/office.list\n}";
    one(text).list("lists/office.list", b"10.1.0.0/16\n").decides(&[
        ("request http://10.1.2.3/ | client=192.0.2.1", "deny r"),
        ("request http://a.example/ | client=10.1.2.3", "default"),
        ("request http://10.2.0.0/", "default"),
    ]);
}

#[test]
fn destination_is_a_literal_in_any_spelling() {
    rule(
        "match-destination: 10.0.0.0/8, 192.0.2.1-192.0.2.3, 2001:db8::/32",
        &[
            "request http://10.1.2.3/",
            "request http://012.1/",
            "request http://167772161/",
            "request http://0xa000001:8080/",
            "request http://192.0.2.3/",
            "request http://[2001:db8::9]/",
            "request http://[::ffff:10.0.0.1]/",
            "connect 10.0.0.1:443",
            "hello 10.0.0.1:443 | sni=a.example",
        ],
        &[
            "request http://11.0.0.0/",
            "request http://192.0.2.4/",
            "request http://[2001:db9::]/",
            "request http://10.0.0.1.example/",
            "request http://a.example/ | client=10.0.0.1",
        ],
    );
}

#[test]
fn destination_class_loopback() {
    rule(
        "match-destination: loopback",
        &[
            "request http://127.0.0.1/",
            "request http://127.255.255.254/",
            "request http://0.0.0.0/",
            "request http://0.255.0.1/",
            "request http://0/",
            "request http://0x0/",
            "request http://[::1]/",
            "request http://[::]/",
            "request http://[::ffff:127.0.0.1]/",
            "connect 0:443",
            "connect [::1]:443",
        ],
        &[
            "request http://128.0.0.1/",
            "request http://1.0.0.0/",
            "request http://[::2]/",
            "request http://localhost/",
            "request http://10.0.0.1/",
        ],
    );
}

#[test]
fn destination_classes() {
    rule(
        "match-destination: private",
        &[
            "request http://10.0.0.1/",
            "request http://10.255.255.255/",
            "request http://172.16.0.0/",
            "request http://172.31.255.255/",
            "request http://192.168.0.1/",
            "request http://192.168.255.255/",
            "request http://[fc00::1]/",
            "request http://[fdff::1]/",
            "request http://0300.0250.1/",
        ],
        &[
            "request http://9.255.255.255/",
            "request http://11.0.0.0/",
            "request http://172.15.255.255/",
            "request http://172.32.0.0/",
            "request http://192.169.0.0/",
            "request http://[fe00::1]/",
            "request http://127.0.0.1/",
            "request http://169.254.1.1/",
        ],
    );
    rule(
        "match-destination: link-local",
        &[
            "request http://169.254.169.254/latest/meta-data/",
            "request http://2852039166/",
            "request http://[fe80::1]/",
            "request http://[febf::1]/",
        ],
        &[
            "request http://169.253.0.0/",
            "request http://169.255.0.0/",
            "request http://[fec0::1]/",
        ],
    );
    rule(
        "match-destination: any-literal",
        &[
            "request http://8.8.8.8/",
            "request http://[2606:4700::1]/",
            "request http://134744072/",
            "connect 8.8.8.8:443",
        ],
        &["request http://a.example/", "request http://8.8.8.8.example/"],
    );
    rule(
        "match-destination: link-local, 8.8.8.8, private",
        &["request http://8.8.8.8/", "request http://10.0.0.1/", "request http://169.254.0.1/"],
        &["request http://8.8.4.4/"],
    );
}

#[test]
fn user_agent_is_a_part_in_any_case() {
    rule(
        "match-user-agent: CuRl",
        &[
            "request http://a.example/ | ua=curl/8.5.0",
            "request http://a.example/ | ua=xCURLx",
            "request http://a.example/ | ua=\\xff curl",
            "connect a.example:443 | ua=curl",
        ],
        &[
            "request http://a.example/ | ua=cur l",
            "request http://a.example/ | ua=wget",
            "request http://a.example/ | ua=",
            "request http://a.example/",
            "request http://curl.example/curl",
            // lost between CONNECT and request
            "hello a.example:443 | ua=curl",
        ],
    );
}

#[test]
fn applications() {
    let (http, https) = ("request http://a.example/", "request https://a.example/");
    let (ftp, connect) = ("request ftp://a.example/", "connect a.example:443");
    let hello = "hello a.example:443 | sni=a.example";
    let other_ports = ["request http://a.example:443/", "request https://a.example:80/"];
    let rule = |word: &str, yes: &[&str], no: &[&str]| {
        rule(&format!("match-domain: a.example\n application: {word}"), yes, no);
    };
    rule("any", &[http, https, ftp, connect, hello], &[]);
    rule("http", &[http, other_ports[0]], &[https, ftp, connect, hello, other_ports[1]]);
    rule("https", &[https, connect, hello, other_ports[1]], &[http, ftp, other_ports[0]]);
    rule("ftp", &[ftp], &[http, https, connect, hello]);
    rule("connect", &[connect, hello, "connect a.example:80"], &[http, https, ftp]);
}

#[test]
fn kinds_are_anded_and_values_ored() {
    rule(
        "match-domain: a.example, b.example\n match-source: 10.0.0.1, 10.0.0.2\n match-user-agent: [\n one\n two\n ]",
        &[
            "request http://a.example/ | client=10.0.0.1 | ua=one",
            "request http://b.example/ | client=10.0.0.2 | ua=two",
            "request http://b.example/ | client=10.0.0.1 | ua=x two one",
        ],
        &[
            "request http://c.example/ | client=10.0.0.1 | ua=one",
            "request http://a.example/ | client=10.0.0.3 | ua=one",
            "request http://a.example/ | client=10.0.0.1 | ua=three",
            "request http://a.example/ | client=10.0.0.1",
        ],
    );
    rule(
        "match-uri: a.example/x\n match-domain: b.example",
        &[],
        &["request http://a.example/x", "request http://b.example/x"],
    );
    rule(
        "match-destination: 10.0.0.0/8\n match-source: 10.0.0.0/8",
        &["request http://10.0.0.1/ | client=10.0.0.2"],
        &[
            "request http://10.0.0.1/ | client=192.0.2.1",
            "request http://a.example/ | client=10.0.0.1",
        ],
    );
    rule(
        "match-sni: s.example\n match-domain: d.example\n application: https",
        &["hello d.example:443 | sni=s.example", "request https://d.example/ | sni=s.example"],
        &["hello d.example:443", "hello x.example:443 | sni=s.example", "connect d.example:443"],
    );
}

#[test]
fn a_whole_public_suffix_is_a_fault_unless_allowed() {
    let fault = |value: &str| format!("r: {{\n {value}\n}}");
    for value in [
        "com",
        ".com",
        "*.com",
        "COM",
        "com.",
        "co.uk",
        "org, a.example",
        "*",
        "xn--p1ai",
        "foo.ck",
        "uk",
        "gov.uk",
        "x.kawasaki.jp",
        "\u{440}\u{444}",
    ] {
        let text = fault(&format!("match-domain: {value}"));
        refuses(&[(&text, "EGP034@2")]);
    }
    refuses(&[(&fault("match-sni: com"), "EGP034@2"), (&fault("match-sni: co.uk"), "EGP034@2")]);
    let allow = |value: &str| format!("match-domain: {value}\n allow-broad: true");
    rule(
        &allow("com"),
        &["request http://com/", "request http://example.com/", "request http://a.b.example.com/"],
        &["request http://example.org/", "request http://com.example/"],
    );
    rule(&allow("co.uk"), &["request http://a.co.uk/"], &["request http://a.org.uk/"]);
    rule(
        &allow("*"),
        &["request http://a.example/", "request https://x/", "connect a.co.uk:443"],
        &[],
    );
    let text = "match-sni: com\n allow-broad: true";
    rule(text, &["hello a.example:443 | sni=x.com"], &["hello a.com:443 | sni=x.example"]);
    // where the line stands does not matter
    rule("allow-broad: true\n match-domain: com", &["request http://example.com/"], &[]);
    let text = "r: {\n match-domain: com\n allow-broad: false\n}";
    refuses(&[(text, "EGP034@2")]);
}

/// An SNI has the same semantics as a domain, `*` and `allow-broad` included.
#[test]
fn any_sni_may_be_asked_for_where_it_is_allowed() {
    refuses(&[("r: {\n match-sni: *\n}", "EGP034@2")]);
    rule(
        "match-sni: *\n allow-broad: true",
        &["hello a.example:443 | sni=b.example"],
        &["hello a.example:443", "request http://a.example/"],
    );
}

#[test]
fn private_suffixes_and_hosts_are_ordinary() {
    rule(
        "match-domain: blogspot.com, github.io",
        &["request http://x.blogspot.com/", "request http://github.io/"],
        &["request http://example.com/"],
    );
    rule(
        "match-domain: example.com, www.ck",
        &["request http://a.www.ck/"],
        &["request http://b.ck/"],
    );
    rule(
        "match-domain: lan, city.kawasaki.jp, eu-west-1.compute.amazonaws.com",
        &["request http://nas.lan/", "request http://lan/", "request http://a.city.kawasaki.jp/"],
        &["request http://b.kawasaki.jp/", "request http://wlan/"],
    );
    // that host only: it covers nobody's site
    rule("match-domain: =com", &["request http://com/"], &["request http://example.com/"]);
}

#[test]
fn a_rule_that_is_not_enabled_takes_no_part() {
    one("off: {\n match-domain: a.example\n enabled: false\n}\non: {\n match-domain: a.example\n action: warn\n enabled: true\n}")
        .decides(&[("request http://a.example/", "warn on")]);
    refuses(&[("off: {\n match-domain: a..example\n enabled: false\n}", "EGP029@2")]);
}
