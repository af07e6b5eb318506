//! The second question, what waits for it, and what a tag brings back (SPEC 4, 8).

use eg_policy::verdict::Action;

use super::bench::one;

const WORDS: &str = "
worst: {
    match-domain: worst.test
    tls: terminate
}
seen: {
    match-domain: seen.test
    tls: splice
}
games: {
    match-domain: games.test
}
bank: {
    match-domain: bank.test
    action: permit
    tls: splice
}
ended: {
    match-domain: ended.test
    action: permit
    tls: terminate
}
deep: {
    match-uri: deep.test/secret
    tls: bump
}
plain: {
    match-uri: plain.test/secret
}
careful: {
    match-domain: careful.test
    action: warn
    tls: bump
}
name: {
    match-sni: name.test
}
";

#[test]
fn the_word_is_that_of_the_first_rule_or_follows_from_how_squid_looks() {
    for (tunnel, default) in [("peeked", "splice"), ("opaque", "splice"), ("decrypted", "bump")] {
        let tail = if tunnel == "opaque" { String::new() } else { format!(" | tunnel={tunnel}") };
        let permit = format!("{default} default");
        let plain = if default == "bump" { "bump deferred" } else { "splice default" };
        for (host, sni, expected) in [
            ("fine.test:443", "fine.test", permit.as_str()),
            ("fine.test:443", "", permit.as_str()),
            ("bank.test:443", "bank.test", "splice permit bank"),
            ("ended.test:443", "ended.test", "terminate deny ended"),
            ("deep.test:443", "deep.test", "bump deferred"),
            ("plain.test:443", "plain.test", plain),
            // a verdict that blocks is shown inside
            ("games.test:443", "games.test", "bump deny games"),
            ("fine.test:443", "games.test", "bump deny games"),
            ("games.test:443", "bank.test", "bump deny games"),
            ("games.test:443", "", "bump deny games"),
            ("careful.test:443", "careful.test", "bump warn careful"),
            ("fine.test:443", "name.test", "bump deny name"),
            // unless the very rule says otherwise
            ("worst.test:443", "worst.test", "terminate deny worst"),
            ("fine.test:443", "worst.test", "terminate deny worst"),
            ("seen.test:443", "seen.test", "splice deny seen"),
            // the word of a rule that permits needs every name
            ("bank.test:443", "fine.test", permit.as_str()),
            ("fine.test:443", "bank.test", permit.as_str()),
            // and one that ends it any
            ("fine.test:443", "ended.test", "terminate deny ended"),
            ("ended.test:443", "fine.test", "terminate deny ended"),
            // what cannot be read is ended
            ("fine.test:443", "\\x00.test", "terminate invalid"),
            ("fine.test:443", "127.0.0.1", "terminate invalid"),
            ("u@fine.test:443", "fine.test", "terminate invalid"),
        ] {
            let sni = if sni.is_empty() { String::new() } else { format!(" | sni={sni}") };
            one(WORDS).answers(&[(&format!("hello {host}{sni}{tail}"), expected)]);
        }
    }
}

/// A client that names a host which is looked into in one place only does not get around it.
#[test]
fn to_look_closer_any_name_is_enough() {
    let text = "look: {\n match-domain: a.test\n action: permit\n tls: bump\n}\nsecret: {\n match-uri: a.test/secret\n}\n";
    for (line, expected) in [
        ("hello a.test:443 | sni=a.test", "bump permit look"),
        ("hello b.test:443 | sni=a.test", "bump deferred"),
        ("hello a.test:443 | sni=b.test", "bump deferred"),
        ("hello 192.0.2.1:443 | sni=a.test", "bump deferred"),
        ("hello b.test:443 | sni=b.test", "splice default"),
    ] {
        one(text).answers(&[(&format!("{line} | tunnel=peeked"), expected)]);
    }
}

#[test]
fn a_default_that_blocks_is_shown_inside() {
    one(WORDS).default(Action::Deny).answers(&[
        ("hello fine.test:443 | sni=fine.test | tunnel=peeked", "bump default"),
        ("hello plain.test:443 | sni=plain.test | tunnel=peeked", "bump default"),
        ("hello bank.test:443 | sni=bank.test | tunnel=peeked", "splice permit bank"),
        ("hello deep.test:443 | sni=deep.test | tunnel=peeked", "bump deferred"),
    ]);
}

#[test]
fn of_two_words_the_lower_id_counts() {
    let two = |first: &str, second: &str| {
        format!(
            "a: {{\n match-domain: a.test\n action: permit\n tls: {first}\n}}\nb: {{\n match-domain: a.test\n tls: {second}\n}}\n"
        )
    };
    for (first, second, expected) in [
        ("splice", "bump", "splice permit a"),
        ("splice", "terminate", "splice permit a"),
        ("bump", "splice", "bump permit a"),
        ("terminate", "splice", "terminate deny a"),
    ] {
        one(&two(first, second))
            .answers(&[("hello a.test:443 | sni=a.test | tunnel=peeked", expected)]);
    }
    // the word may stand in a later rule than the one that gives the verdict
    let later = "staff: {\n match-source: 192.0.2.0/24\n action: permit\n}\nbank: {\n match-domain: bank.test\n tls: terminate\n}\n";
    one(later).answers(&[
        ("hello bank.test:443 | sni=bank.test | tunnel=peeked", "terminate deny bank"),
        ("hello fine.test:443 | sni=fine.test | tunnel=peeked", "splice permit staff"),
    ]);
    // a path that is not known gives the word all the same; another unknown does not
    let unknown = "agent: {\n match-domain: a.test\n match-user-agent: curl\n tls: terminate\n}\npath: {\n match-uri: a.test/x\n tls: splice\n}\n";
    one(unknown).answers(&[
        ("hello a.test:443 | sni=a.test | tunnel=decrypted", "splice default"),
        (
            "hello a.test:443 | sni=a.test | tunnel=decrypted | connect=a.test:443 | told-ua=curl",
            "terminate deny agent",
        ),
    ]);
}

#[test]
fn where_squid_peeks_a_connect_waits_for_what_the_hello_tells() {
    one(WORDS).default(Action::Deny).decides(&[
        // `name` lacks the SNI and denies, and is looked at again in the hello: no need to wait
        ("connect fine.test:443 | tunnel=peeked", "default"),
        ("connect fine.test:443 | tunnel=decrypted", "deferred"),
        ("connect fine.test:443", "default"),
        // a yes before it
        ("connect games.test:443 | tunnel=peeked", "deny games"),
        ("connect bank.test:443 | tunnel=peeked", "permit bank"),
        // the hello is asked only where Squid passes the tunnel through: nothing waits
        ("hello fine.test:443 | sni=fine.test", "default"),
        ("hello fine.test:443 | sni=name.test", "deny name"),
    ]);
    // What the server name would permit, or only warn of, is not denied before it is known.
    for (action, expected) in
        [("permit", "deferred"), ("warn", "deferred"), ("aup", "deferred"), ("deny", "deny rest")]
    {
        let by_name = format!("name: {{\n match-sni: name.test\n action: {action}\n}}\n");
        one(&(by_name + "rest: {\n match-domain: a.test\n}\n"))
            .decides(&[("connect a.test:443 | tunnel=peeked", expected)]);
    }
}

#[test]
fn where_squid_peeks_a_path_is_waited_for_only_if_the_tunnel_is_opened() {
    let rule = |tls: &str| {
        format!(
            "deep: {{\n match-uri: a.test/secret\n{tls}}}\nrest: {{\n match-domain: a.test\n action: warn\n}}\n"
        )
    };
    one(&rule("")).decides(&[
        ("connect a.test:443 | tunnel=peeked", "warn rest"),
        ("connect a.test:443 | tunnel=decrypted", "deferred"),
    ]);
    one(&rule(" tls: bump\n")).decides(&[("connect a.test:443 | tunnel=peeked", "deferred")]);
    one(&rule(" tls: splice\n")).decides(&[("connect a.test:443 | tunnel=peeked", "warn rest")]);
    // the word may stand in any rule: earlier, later, or for a server name that is not known yet
    let with = |word: &str| format!("{}{word}", rule(""));
    for (word, expected) in [
        ("w: {\n match-domain: a.test\n tls: bump\n}", "deferred"),
        ("w: {\n match-source: 192.0.2.0/24\n tls: bump\n}", "deferred"),
        ("w: {\n match-source: 10.0.0.0/8\n tls: bump\n}", "warn rest"),
        ("w: {\n match-sni: a.test\n tls: bump\n}", "deferred"),
        ("w: {\n match-domain: b.test\n tls: bump\n}", "warn rest"),
        (
            "w: {\n match-domain: a.test\n tls: splice\n}\nv: {\n match-domain: a.test\n tls: bump\n}",
            "warn rest",
        ),
    ] {
        one(&with(word)).decides(&[("connect a.test:443 | tunnel=peeked", expected)]);
    }
}

#[test]
fn a_tag_brings_back_the_user_agent_of_the_connect() {
    one("r: {\n match-user-agent: curl\n}").decides(&[
        ("hello a.test:443 | sni=a.test", "default"),
        ("hello a.test:443 | sni=a.test | connect=a.test:443 | told-ua=curl/8", "deny r"),
        ("hello a.test:443 | sni=a.test | connect=a.test:443 | told-ua=wget", "default"),
        ("hello a.test:443 | sni=a.test | connect=a.test:443", "default"),
        // inside, the request has its own
        ("request https://a.test/ | ua=wget | connect=a.test:443 | told-ua=curl", "default"),
        ("request https://a.test/ | ua=curl | connect=a.test:443 | told-ua=wget", "deny r"),
    ]);
}

/// Squid sends it where the tunnel leads, whatever scheme it says.
#[test]
fn a_request_inside_a_tunnel_is_https_or_nothing() {
    one("r: {\n match-uri: https://a.test/secret\n}").decides(&[
        ("request http://a.test/secret | connect=a.test:443", "invalid"),
        ("request http://b.test/secret | connect=a.test:443", "invalid"),
        ("request ftp://a.test/ | connect=a.test:443", "invalid"),
        ("request http://a.test/", "default"),
        ("request https://a.test/ | connect=a.test:443", "default"),
    ]);
}

/// Attributes that look at the host, for `blocked.test` and for `good.test`.
const ATTRIBUTES: &[&str] =
    &["match-domain: X", "match-domain-list: X.list", "match-uri: X/", "match-uri: https://X"];

#[test]
fn what_blocks_holds_for_any_name_of_a_connection() {
    for attribute in ATTRIBUTES {
        let text = format!("r: {{\n {}\n}}", attribute.replace('X', "blocked.test"));
        one(&text).list("blocked.test.list", b"blocked.test\n").decides(&[
            ("request https://blocked.test/ | connect=good.test:443", "deny r"),
            ("request https://good.test/ | connect=blocked.test:443", "deny r"),
            (
                "request https://good.test/ | connect=good.test:443 | told-sni=blocked.test",
                "deny r",
            ),
            ("request https://good.test/ | connect=good.test:443 | sni=blocked.test", "deny r"),
            (
                "request https://good.test/ | connect=192.0.2.1:443 | told-sni=blocked.test",
                "deny r",
            ),
            ("hello good.test:443 | sni=blocked.test", "deny r"),
            ("hello blocked.test:443 | sni=good.test", "deny r"),
            ("hello 192.0.2.1:443 | sni=blocked.test", "deny r"),
            ("request https://good.test/ | connect=good.test:443 | told-sni=good.test", "default"),
            ("request https://good.test/ | connect=good.test:443", "default"),
        ]);
    }
}

#[test]
fn what_permits_needs_every_name_of_a_connection() {
    for attribute in ATTRIBUTES {
        let text = format!("r: {{\n {}\n action: permit\n}}", attribute.replace('X', "good.test"));
        one(&text).list("good.test.list", b"good.test\n").default(Action::Deny).decides(&[
            ("request https://good.test/ | connect=good.test:443 | told-sni=good.test", "permit r"),
            ("request https://good.test/ | connect=good.test:443", "permit r"),
            ("request https://good.test/", "permit r"),
            ("request https://good.test/ | connect=evil.test:443", "default"),
            ("request https://evil.test/ | connect=good.test:443", "default"),
            ("request https://good.test/ | connect=good.test:443 | told-sni=evil.test", "default"),
            ("request https://good.test/ | connect=192.0.2.1:443", "default"),
            ("hello good.test:443 | sni=evil.test", "default"),
        ]);
    }
}

#[test]
fn destinations_are_those_of_the_connect_too() {
    let text = "r: {\n match-destination: loopback\n}";
    one(text).decides(&[
        ("request https://good.test/ | connect=127.0.0.1:443", "deny r"),
        ("request https://127.0.0.1/ | connect=good.test:443", "deny r"),
        ("request https://good.test/ | connect=[::1]:443", "deny r"),
        ("request https://good.test/ | connect=192.0.2.1:443", "default"),
    ]);
    one("r: {\n match-destination: private\n action: permit\n}").default(Action::Deny).decides(&[
        ("request https://10.0.0.1/ | connect=10.0.0.1:443", "permit r"),
        ("request https://10.0.0.1/ | connect=10.0.0.2:443", "permit r"),
        ("request https://10.0.0.1/ | connect=8.8.8.8:443", "default"),
        ("request https://10.0.0.1/ | connect=good.test:443", "default"),
        ("request https://good.test/ | connect=10.0.0.1:443", "default"),
    ]);
}

#[test]
fn the_port_that_squid_lost_comes_back() {
    one("r: {\n match-uri: https://a.test:8443/x\n}").decides(&[
        ("request https://a.test/x | connect=a.test:8443", "deny r"),
        ("request https://b.test/x | connect=a.test:8443", "deny r"),
        ("request https://a.test/x | connect=a.test:443", "default"),
        ("request https://a.test/x", "default"),
        ("request https://a.test:8443/x | connect=a.test:443", "deny r"),
        ("request https://a.test:9/x | connect=a.test:8443", "deny r"),
    ]);
    one("r: {\n match-uri: https://a.test:443/x\n action: permit\n}")
        .default(Action::Deny)
        .decides(&[
            ("request https://a.test/x | connect=a.test:443", "permit r"),
            ("request https://a.test/x | connect=a.test:8443", "default"),
            ("request https://a.test:443/x | connect=a.test:8443", "default"),
        ]);
    one("r: {\n match-uri: https://a.test:9/x\n action: permit\n}")
        .default(Action::Deny)
        .decides(&[("request https://a.test:9/x | connect=a.test:8443", "default")]);
}

/// The phase of requests often has no SNI of its own, or does not know whether there was one.
#[test]
fn what_the_hello_knew_of_the_server_name_is_known_inside() {
    one("r: {\n match-anomaly: no-sni\n}").decides(&[
        ("hello a.test:443", "deny r"),
        ("request https://a.test/ | connect=a.test:443 | told-sni=", "deny r"),
        ("request https://a.test/ | connect=a.test:443 | told-sni= | sni=?", "deny r"),
        ("request https://a.test/ | connect=a.test:443 | told-sni=a.test | sni=?", "default"),
    ]);
}

#[test]
fn a_tag_says_nothing_of_a_connect_or_a_hello_but_the_user_agent() {
    one("r: {\n match-domain: blocked.test\n}").decides(&[
        ("connect good.test:443 | connect=blocked.test:443", "default"),
        ("hello good.test:443 | sni=good.test | connect=blocked.test:443", "default"),
    ]);
}
