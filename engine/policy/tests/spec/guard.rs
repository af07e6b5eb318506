//! The portal's own pages, which no rule may block, and everything near them, which it may (SPEC 4; F13,
//! H08).

use eg_policy::guard::PORTAL_PAGES;

use super::bench::one;

const ALL: &str = "all: {\n match-domain: \"*\"\n allow-broad: true\n}";

#[test]
fn the_pages_are_permitted_and_nothing_else() {
    for base in ["http://portal.test", "http://portal.test/", "http://PORTAL.test:80/"] {
        for page in PORTAL_PAGES {
            let lines = [
                format!("request http://portal.test{page}"),
                format!("request http://portal.test{page}?v=1&p=abc"),
                format!("request http://portal.test:80{page}"),
            ];
            let cases: Vec<_> = lines.iter().map(|line| (line.as_str(), "portal")).collect();
            one(ALL).portal(base).decides(&cases);
        }
        one(ALL).portal(base).decides(&[
            ("request http://portal.test/", "deny all"),
            ("request http://portal.test/blocked/", "deny all"),
            ("request http://portal.test/blockedx", "deny all"),
            ("request http://portal.test/blocked/x", "deny all"),
            ("request http://portal.test/BLOCKED", "deny all"),
            ("request http://portal.test/x/blocked", "deny all"),
            ("request http://portal.test/api/", "deny all"),
            ("request http://portal.test/api/captive/ack/x", "deny all"),
            ("request http://portal.test/%2fblocked", "deny all"),
            ("request http://portal.test/blocked;x=1", "deny all"),
            ("request http://portal.test/blocked%3fx", "deny all"),
            ("request http://portal.test/x/..%2fblocked", "deny all"),
            ("request http://portal.test:8080/blocked", "deny all"),
            ("request https://portal.test/blocked", "deny all"),
            ("request ftp://portal.test/blocked", "deny all"),
            ("request http://www.portal.test/blocked", "deny all"),
            ("request http://portal.test.evil.test/blocked", "deny all"),
            ("request http://portal.test@evil.test/blocked", "deny all"),
            ("connect portal.test:80", "deny all"),
            ("connect portal.test:443", "deny all"),
        ]);
    }
}

#[test]
fn a_portal_over_https_is_reached_through_its_tunnel() {
    let setup = || one(ALL).portal("https://portal.test:8443/p/");
    setup().decides(&[
        ("connect portal.test:8443", "portal"),
        ("connect PORTAL.test.:8443 | tunnel=peeked", "portal"),
        ("hello portal.test:8443", "portal"),
        ("hello portal.test:8443 | sni=portal.test", "portal"),
        ("request https://portal.test:8443/p/blocked?v=1", "portal"),
        ("request https://portal.test/p/blocked | connect=portal.test:8443", "portal"),
        (
            "request https://portal.test/p/blocked | connect=portal.test:8443 | told-sni=portal.test",
            "portal",
        ),
        ("connect portal.test:443", "deny all"),
        ("connect www.portal.test:8443", "deny all"),
        ("request https://portal.test:8443/blocked", "deny all"),
        ("request https://portal.test:8443/p/blocked | connect=portal.test:22", "deny all"),
        ("request https://portal.test:8443/p/", "deny all"),
        ("request https://portal.test:8443/pp/blocked", "deny all"),
        ("request https://portal.test/p/blocked", "deny all"),
        ("request http://portal.test:8443/p/blocked", "deny all"),
    ]);
    // where CONNECT host, SNI and Host differ it is no request to the portal
    setup().decides(&[
        ("hello portal.test:8443 | sni=evil.test", "deny all"),
        ("hello evil.test:8443 | sni=portal.test", "deny all"),
        ("request https://portal.test/p/blocked | connect=evil.test:8443", "deny all"),
        ("request https://evil.test/p/blocked | connect=portal.test:8443", "deny all"),
        (
            "request https://portal.test/p/blocked | connect=portal.test:8443 | told-sni=evil.test",
            "deny all",
        ),
        ("request https://portal.test/p/blocked | connect=192.0.2.1:8443", "deny all"),
    ]);
}

#[test]
fn a_loopback_portal_guards_nothing() {
    for base in [
        "http://127.0.0.1/",
        "http://127.9.9.9:8000/",
        "http://0/",
        "http://[::1]/",
        "http://localhost/",
        "http://portal.localhost/",
        "not a url",
        "http://portal.test/?x",
    ] {
        let line = format!("request {}blocked", base.trim_end_matches("?x"));
        let expected = if base == "not a url" { "invalid" } else { "deny all" };
        one(ALL).portal(base).decides(&[(&line, expected)]);
    }
    one(ALL).portal("http://192.0.2.1/").decides(&[
        ("request http://192.0.2.1/blocked", "portal"),
        ("request http://3221225985/blocked", "portal"),
        ("request http://192.0.2.2/blocked", "deny all"),
    ]);
}
