//! Users, methods and ports: what they match and what they do not (SPEC 3).

use eg_policy::verdict::Action;

use super::bench::{one, refuses};

#[test]
fn a_user_is_compared_byte_by_byte() {
    one("r: {\n match-user: ada, DOMAIN\\eve, John Smith, m\u{fc}ller\n}").decides(&[
        ("request http://a.test/ | user=ada", "deny r"),
        ("connect a.test:443 | user=ada", "deny r"),
        ("hello a.test:443 | user=ada", "deny r"),
        ("request http://a.test/ | user=DOMAIN\\eve", "deny r"),
        ("request http://a.test/ | user=John Smith", "deny r"),
        ("request http://a.test/ | user=m\\xc3\\xbcller", "deny r"),
        ("request http://a.test/ | user=m\\xfcller", "default"),
        ("request http://a.test/ | user=mu\\xcc\\x88ller", "default"),
        ("request http://a.test/", "default"),
        ("connect a.test:443", "default"),
        ("request http://a.test/ | user=Ada", "default"),
        ("request http://a.test/ | user=ad", "default"),
        ("request http://a.test/ | user=adam", "default"),
        ("request http://a.test/ | user=ada ", "default"),
        ("request http://a.test/ | user=domain\\eve", "default"),
        ("request http://a.test/ | user=eve", "default"),
        ("request http://a.test/ | user=", "default"),
    ]);
}

#[test]
fn users_may_stand_in_a_list() {
    let list = b"\xef\xbb\xbf# staff\r\nada # the first\r\n  bob\t\r\n\r\nx,y\n\xff\n";
    one("r: {\n match-user: @lists/staff, eve\n action: permit\n}\nrest: {\n match-source: ::/0, 0.0.0.0/0\n}")
        .list("lists/staff", list)
        .decides(&[
            ("request http://a.test/ | user=ada", "permit r"),
            ("request http://a.test/ | user=bob", "permit r"),
            ("request http://a.test/ | user=x,y", "permit r"),
            ("request http://a.test/ | user=eve", "permit r"),
            ("request http://a.test/ | user=Bob", "deny rest"),
            ("request http://a.test/ | user=# staff", "deny rest"),
            ("request http://a.test/ | user=\\xff", "deny rest"),
            ("request http://a.test/", "deny rest"),
        ]);
    refuses(&[
        ("a: {\n match-user: @missing\n}", "EGP036@2"),
        ("a: {\n match-user: @\n}", "EGP035@2"),
        ("a: {\n match-user:\n}", "EGP009@2"),
        ("a: {\n match-user: ada, \"John Smith\"\n}", "EGP063@2"),
        ("a: {\n except-user: @missing\n match-domain: a.test\n}", "EGP036@2"),
    ]);
}

#[test]
fn a_method_in_any_case_blocks_and_only_its_own_permits() {
    one("r: {\n match-method: GET, M-SEARCH\n}").decides(&[
        ("request http://a.test/ | method=GET", "deny r"),
        // E01
        ("request http://a.test/ | method=get", "deny r"),
        ("request http://a.test/ | method=gEt", "deny r"),
        ("request http://a.test/ | method=m-search", "deny r"),
        ("request http://a.test/ | method=HEAD", "default"),
        ("request http://a.test/ | method=GETS", "default"),
        ("request http://a.test/ | method=GE", "default"),
        ("request http://a.test/ | method=", "default"),
        ("request http://a.test/ | method=G\\xc9T", "default"),
    ]);
    let blocks = ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO", "get", "Get"];
    let text = "r: {\n match-domain: blocked.test\n}";
    for method in blocks {
        let line = format!("request http://blocked.test/ | method={method}");
        one(text).decides(&[(line.as_str(), "deny r")]);
    }
    one("r: {\n match-method: GET\n action: permit\n}").default(Action::Deny).decides(&[
        ("request http://a.test/ | method=GET", "permit r"),
        ("request http://a.test/ | method=get", "default"),
        ("request http://a.test/ | method=HEAD", "default"),
    ]);
}

#[test]
fn inside_a_tunnel_the_method_is_known_later() {
    one("r: {\n match-method: POST\n}").decides(&[
        ("connect a.test:443", "default"),
        ("connect a.test:443 | tunnel=decrypted", "deferred"),
        ("hello a.test:443 | tunnel=decrypted", "deferred"),
        ("connect a.test:443 | tunnel=peeked", "default"),
        ("request https://a.test/ | method=POST | connect=a.test:443", "deny r"),
        ("request https://a.test/ | method=GET | connect=a.test:443", "default"),
    ]);
    // That it is a CONNECT is known at once, whatever is said in its phase.
    one("r: {\n match-method: CONNECT\n}").decides(&[
        ("connect a.test:443", "deny r"),
        ("connect a.test:443 | tunnel=decrypted", "deny r"),
        ("hello a.test:443 | method=GET", "deny r"),
        ("request https://a.test/ | connect=a.test:443", "default"),
    ]);
}

#[test]
fn a_port_is_that_of_the_request_and_that_of_its_tunnel() {
    one("r: {\n match-port: 443, 8000-8080\n}").decides(&[
        ("connect a.test:443", "deny r"),
        ("hello a.test:443 | tunnel=peeked", "deny r"),
        ("request https://a.test/", "deny r"),
        ("request http://a.test:443/", "deny r"),
        ("request http://a.test:8000/", "deny r"),
        ("request http://a.test:8080/", "deny r"),
        ("request http://a.test:08080/", "deny r"),
        ("request http://a.test/", "default"),
        ("request http://a.test:7999/", "default"),
        ("request http://a.test:8081/", "default"),
        ("request ftp://a.test/", "default"),
        ("connect a.test:444", "default"),
        // Squid loses the port of the CONNECT inside.
        ("request https://a.test/ | connect=a.test:8443", "default"),
        ("request https://a.test/ | connect=a.test:8001", "deny r"),
        ("request https://a.test:9000/ | connect=a.test:443", "deny r"),
        ("request https://a.test:443/ | connect=a.test:9000", "default"),
    ]);
    one("r: {\n match-port: 8443, 9000\n action: permit\n}").default(Action::Deny).decides(&[
        ("request https://a.test/ | connect=a.test:8443", "permit r"),
        ("request https://a.test:9000/ | connect=a.test:8443", "permit r"),
        ("request https://a.test:9000/ | connect=a.test:443", "default"),
        ("request https://a.test:9001/ | connect=a.test:8443", "default"),
        ("request https://a.test/", "default"),
    ]);
    // Every tunnel but those to 443.
    one("r: {\n match-port: 1-442, 444-65535\n application: connect\n}").decides(&[
        ("connect a.test:443", "default"),
        ("connect a.test:22", "deny r"),
        ("connect a.test:65535", "deny r"),
        ("request http://a.test:22/", "default"),
    ]);
}

#[test]
fn kinds_are_anded_and_values_ored() {
    one("r: {\n match-user: ada, eve\n match-method: POST, PUT\n match-port: 80\n match-domain: a.test\n}")
        .decides(&[
            ("request http://a.test/ | user=ada | method=POST", "deny r"),
            ("request http://a.test/ | user=eve | method=put", "deny r"),
            ("request http://a.test/ | user=bob | method=POST", "default"),
            ("request http://a.test/ | user=ada | method=GET", "default"),
            ("request http://a.test:81/ | user=ada | method=POST", "default"),
            ("request http://b.test/ | user=ada | method=POST", "default"),
        ]);
}

#[test]
fn values_in_their_three_ways() {
    let same = [
        "match-user: ada, eve\n match-method: GET, PUT\n match-port: 80, 90-91",
        "match-user: [\n ada\n eve, \n ]\n match-method: [ GET, PUT ]\n match-port: [\n 80 # http\n 90-91\n ]",
        "match-user: ada\n match-user: eve\n match-method: GET\n match-method: \"PUT\"\n match-port: 80\n match-port: 90-91",
        "\"match-user\": [\"ada\", \"eve\"],\n \"match-method\": [\"GET\", \"PUT\"],\n \"match-port\": [80, \"90-91\"]",
    ];
    for lines in same {
        one(&format!("r: {{\n {lines}\n}}")).decides(&[
            ("request http://a.test/ | user=ada", "deny r"),
            ("request http://a.test:91/ | user=eve | method=PUT", "deny r"),
            ("request http://a.test:92/ | user=eve | method=PUT", "default"),
            ("request http://a.test/ | user=eve | method=POST", "default"),
            ("request http://a.test/ | user=bob", "default"),
        ]);
    }
}
