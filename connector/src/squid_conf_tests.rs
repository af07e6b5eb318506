//! The printed lines.

use super::*;

fn settings(answer: Answer, inspect: Inspect) -> Settings {
    Settings {
        program: PathBuf::from("/usr/bin/enforcegate-squid-connector"),
        config: PathBuf::from("/etc/enforcegate/squid-connector.conf"),
        answer,
        inspect,
        answer_timeout: Duration::from_secs(2),
    }
}

fn pages() -> Pages {
    Pages::below("http://portal.test/", 303).unwrap()
}

#[test]
fn the_gate_denies_first_and_last() {
    let text = print(&settings(Answer::Note, Inspect::Peek), &pages());
    let gate: Vec<&str> = text.lines().filter(|line| line.starts_with("adapted_")).collect();
    assert_eq!(
        gate,
        [
            "adapted_http_access deny eg_deny",
            "adapted_http_access deny eg_warn",
            "adapted_http_access deny eg_aup",
            "adapted_http_access allow eg_permit",
            "adapted_http_access deny all"
        ]
    );
    for line in [
        "deny_info 303:http://portal.test/warned?v=1&p=@Squid{%note{eg_token_}} eg_warn",
        "acl eg_deny note eg_verdict_ deny",
        "url_rewrite_timeout 3 seconds on_timeout=fail",
        "url_rewrite_program /usr/bin/enforcegate-squid-connector -c \
         /etc/enforcegate/squid-connector.conf",
    ] {
        assert!(text.lines().any(|found| found == line), "no line `{line}` in\n{text}");
    }
}

#[test]
fn redirect_has_no_gate_and_says_so() {
    let text = print(&settings(Answer::Redirect { fail_url: None }, Inspect::Off), &pages());
    assert!(!text.contains("adapted_http_access deny"));
    assert!(text.contains("WARNING"));
    assert!(!text.contains("\nssl_bump"));
}

#[test]
fn refuses_an_address_that_squid_could_misread() {
    for (url, status) in [("http://a b/", 302), ("portal.test", 302), ("http://a/", 301)] {
        assert!(Pages::below(url, status).is_err(), "{url} {status}");
    }
}

#[test]
fn tls_is_asked_about_once_and_ends_where_nobody_knows() {
    for (answer, inspect) in [
        (Answer::Note, Inspect::Peek),
        (Answer::Note, Inspect::Bump),
        (Answer::Redirect { fail_url: None }, Inspect::Peek),
    ] {
        let text = print(&settings(answer, inspect), &pages());
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| {
                ["ssl_bump ", "on_unsupported", "miss_"].iter().any(|it| line.starts_with(it))
            })
            .collect();
        assert_eq!(
            lines,
            [
                "ssl_bump peek eg_step1",
                "ssl_bump terminate eg_asked eg_terminate",
                "ssl_bump bump eg_bump",
                "ssl_bump splice eg_splice",
                "ssl_bump terminate all",
                "on_unsupported_protocol respond all",
                "miss_access deny eg_waits !eg_bump"
            ]
        );
        let helper = text.lines().find(|line| line.starts_with("external_acl_type ")).unwrap();
        for word in [
            "ttl=0",
            "negative_ttl=0",
            "concurrency=1500",
            "%#>ru",
            "%#ssl::>sni",
            "%#note{clt_conn_tag}",
            "/usr/bin/enforcegate-squid-connector --acl -c /etc/enforcegate/squid-connector.conf",
        ] {
            assert!(helper.contains(word), "no `{word}` in `{helper}`");
        }
    }
    let off = print(&settings(Answer::Note, Inspect::Off), &pages());
    let lines = off.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        assert!(
            !line.contains("ssl") && !line.contains("eg_waits")
                || line.starts_with("url_rewrite_extras "),
            "{line}"
        );
    }
}

#[test]
fn a_path_that_squid_would_cut_is_refused() {
    for good in ["/etc/enforcegate/squid-connector.conf", "/opt/a+b/c_1-2.3@x:y,z=~"] {
        assert_eq!(word(Path::new(good)), Ok(PathBuf::from(good)));
    }
    for bad in
        ["/etc/a b.conf", "/a\tb", "/a\nacl all src all", "/a\"b", "/a'b", "/a#b", "/a%b", "/a\\b"]
            .into_iter()
            .chain(["/${HOME}/a", "/caf\u{e9}.conf", "/a;b", "/a(b)"])
    {
        let why = word(Path::new(bad)).unwrap_err();
        assert!(why.contains("cannot stand in squid.conf"), "{why}");
    }
}
