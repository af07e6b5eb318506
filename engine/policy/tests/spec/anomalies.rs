//! `match-anomaly`: when each is there, when it is not, and when nobody can tell (SPEC 3, 4).

use eg_policy::verdict::Action;

use super::bench::one;

fn check(anomaly: &str, cases: &[(&str, &str)]) {
    one(&format!("r: {{\n match-anomaly: {anomaly}\n}}")).decides(cases);
}

#[test]
fn no_sni() {
    check(
        "no-sni",
        &[
            ("connect a.test:443", "default"),
            ("connect a.test:443 | tunnel=peeked", "default"), // looked at again in the hello
            ("connect a.test:443 | tunnel=decrypted", "deferred"),
            ("hello a.test:443", "deny r"),
            ("hello a.test:443 | sni=a.test", "default"),
            ("hello 192.0.2.1:443", "deny r"),
            ("request http://a.test/", "default"),
            ("request https://a.test/", "default"), // of a client that speaks TLS to nobody
            ("request https://a.test/ | connect=a.test:443 | told-sni=", "deny r"),
            ("request https://a.test/ | connect=a.test:443 | told-sni=a.test", "default"),
        ],
    );
}

#[test]
fn sni_mismatch() {
    check(
        "sni-mismatch",
        &[
            ("connect a.test:443", "default"),
            ("connect a.test:443 | tunnel=peeked", "default"), // looked at again in the hello
            ("hello a.test:443 | sni=a.test", "default"),
            ("hello a.test:443 | sni=A.test.", "default"),
            ("hello a.test:443 | sni=www.a.test", "deny r"),
            ("hello a.test:443 | sni=b.test", "deny r"),
            ("hello a.test:443", "default"),
            // nothing can be compared with an address
            ("hello 192.0.2.1:443 | sni=b.test", "default"),
            ("request https://a.test/ | connect=a.test:443 | told-sni=b.test", "deny r"),
            ("request https://b.test/ | connect=a.test:443 | sni=b.test", "deny r"),
            ("request https://a.test/ | connect=a.test:443 | told-sni=a.test", "default"),
            ("request https://a.test/ | sni=b.test", "default"), // no tag
            ("request http://a.test/", "default"),
        ],
    );
}

#[test]
fn host_mismatch() {
    check(
        "host-mismatch",
        &[
            ("connect a.test:443", "default"),
            ("connect a.test:443 | tunnel=peeked", "default"), // not opened
            ("connect a.test:443 | tunnel=decrypted", "deferred"),
            ("hello a.test:443 | sni=a.test", "default"),
            ("request https://a.test/ | connect=a.test:443 | told-sni=a.test", "default"),
            ("request https://b.test/ | connect=a.test:443 | told-sni=b.test", "default"),
            ("request https://b.test/ | connect=a.test:443 | told-sni=a.test", "deny r"),
            ("request https://b.test/ | connect=a.test:443", "deny r"),
            ("request https://b.test/ | connect=192.0.2.1:443 | told-sni=", "deny r"), // G17
            ("request https://192.0.2.1/ | connect=a.test:443 | told-sni=a.test", "deny r"),
            ("request https://192.0.2.1/ | connect=192.0.2.1:443", "default"),
            ("request https://b.test/", "default"), // no tag
            ("request http://b.test/", "default"),
        ],
    );
}

#[test]
fn ip_literal() {
    check(
        "ip-literal",
        &[
            ("connect 192.0.2.1:443", "deny r"),
            ("connect [2001:db8::1]:443 | tunnel=peeked", "deny r"),
            ("hello 3221225985:443 | sni=a.test", "deny r"),
            ("request http://0xc0000201/", "deny r"),
            ("request https://a.test/ | connect=192.0.2.1:443", "deny r"),
            ("connect a.test:443 | tunnel=peeked", "default"),
            ("request http://192.0.2.1.nip.test/", "default"),
        ],
    );
}

#[test]
fn mixed_script() {
    let cases = [
        ("request http://p\\xd0\\xb0ypal.test/", "deny r"),
        ("request http://xn--pypal-4ve.test/", "deny r"),
        ("request http://www.XN--PYPAL-4ve.test/", "deny r"),
        ("connect xn--pypal-4ve.test:443 | tunnel=peeked", "deny r"),
        ("hello a.test:443 | sni=xn--pypal-4ve.test", "deny r"),
        ("request https://a.test/ | connect=xn--pypal-4ve.test:443", "deny r"),
        ("request http://b\\xc3\\xbccher.test/", "default"),
        ("request http://\\xd0\\xbf\\xd1\\x80.test/", "default"),
        ("connect a.test:443 | tunnel=peeked", "default"),
    ];
    check("mixed-script", &cases);
}

#[test]
fn ech_never_holds_and_is_a_warning() {
    let setup = one("r: {\n match-anomaly: ech\n}");
    assert_eq!(setup.faults(), "EGP062@2");
    setup.decides(&[
        ("hello a.test:443", "default"),
        ("hello a.test:443 | sni=a.test", "default"),
        ("connect a.test:443 | tunnel=decrypted", "default"),
        ("request https://a.test/ | connect=a.test:443", "default"),
    ]);
}

#[test]
fn several_are_ored_and_other_kinds_are_anded() {
    check(
        "no-sni, sni-mismatch",
        &[
            ("hello a.test:443", "deny r"),
            ("hello a.test:443 | sni=b.test", "deny r"),
            ("hello a.test:443 | sni=a.test", "default"),
        ],
    );
    one("r: {\n match-anomaly: no-sni, host-mismatch\n match-domain: a.test\n}").decides(&[
        ("hello a.test:443", "deny r"),
        ("hello b.test:443", "default"),
        ("request https://b.test/ | connect=a.test:443 | told-sni=a.test", "deny r"),
        ("connect b.test:443 | tunnel=decrypted", "default"),
    ]);
    // one that permits
    one("r: {\n match-anomaly: ip-literal\n action: permit\n}")
        .default(Action::Deny)
        .decides(&[("connect 192.0.2.1:443", "permit r"), ("connect a.test:443", "default")]);
    // a word for TLS
    one("r: {\n match-anomaly: no-sni\n tls: terminate\n}").answers(&[
        ("hello a.test:443 | tunnel=peeked", "terminate deny r"),
        ("hello a.test:443 | sni=a.test | tunnel=peeked", "splice default"),
    ]);
}
