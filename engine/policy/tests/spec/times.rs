//! Time windows, `valid-from` and `valid-until` (SPEC 3, evasions I01 to I03).

use super::bench::{one, refuses};

/// Asks for each instant, in a zone.
fn at(lines: &str, zone: &str, cases: &[(&str, bool)]) {
    let text = format!("r: {{\n match-domain: a.test\n {lines}\n}}");
    let asked: Vec<_> = cases
        .iter()
        .map(|(at, holds)| {
            let expected = if *holds { "deny r" } else { "default" };
            (format!("request http://a.test/ | at={at}"), expected)
        })
        .collect();
    let asked: Vec<_> = asked.iter().map(|(line, expected)| (line.as_str(), *expected)).collect();
    one(&text).zone(zone).decides(&asked);
}

#[test]
fn a_window_is_half_open_and_may_cross_midnight() {
    // I01; 2026-11-27 is a Friday.
    at(
        "time-window: 22:00-06:00",
        "UTC",
        &[
            ("2026-11-27T21:59:59Z", false),
            ("2026-11-27T21:59:59.999999Z", false),
            ("2026-11-27T22:00:00Z", true),
            ("2026-11-28T00:00:00Z", true),
            ("2026-11-28T05:59:59Z", true),
            ("2026-11-28T06:00:00Z", false),
        ],
    );
    at(
        "time-window: mon-fri 08:00-17:30, sat 22:00-02:00",
        "UTC",
        &[
            ("2026-11-27T07:59:59Z", false),
            ("2026-11-27T08:00:00Z", true),
            ("2026-11-27T17:29:59Z", true),
            ("2026-11-27T17:30:00Z", false),
            ("2026-11-28T08:00:00Z", false),
            ("2026-11-28T22:00:00Z", true),
            ("2026-11-29T01:59:59Z", true),
            ("2026-11-29T02:00:00Z", false),
            // not the night to Saturday
            ("2026-11-28T01:00:00Z", false),
            ("2026-11-27T22:00:00Z", false),
        ],
    );
}

#[test]
fn days_and_weeks_wrap() {
    // I03
    at(
        "time-window: sun 23:00-01:00",
        "UTC",
        &[
            ("2026-11-29T22:59:59Z", false),
            ("2026-11-29T23:00:00Z", true),
            ("2026-11-30T00:59:59Z", true),
            ("2026-11-30T01:00:00Z", false),
            ("2026-11-29T00:30:00Z", false),
        ],
    );
    at(
        "time-window: fri-mon 00:00-24:00",
        "UTC",
        &[
            ("2026-11-26T23:59:59Z", false),
            ("2026-11-27T00:00:00Z", true),
            ("2026-11-29T12:00:00Z", true),
            ("2026-11-30T23:59:59Z", true),
            ("2026-12-01T00:00:00Z", false),
        ],
    );
    // A leap day is a Thursday in 2024; a year ends on a Thursday in 2026.
    at(
        "time-window: thu 12:00-13:00",
        "UTC",
        &[("2024-02-29T12:30:00Z", true), ("2024-03-01T12:30:00Z", false)],
    );
    at(
        "time-window: thu 23:00-01:00",
        "UTC",
        &[
            ("2026-12-31T23:30:00Z", true),
            ("2027-01-01T00:30:00Z", true),
            ("2027-01-01T01:00:00Z", false),
        ],
    );
    at(
        "time-window: mon wed 08:00-09:00",
        "UTC",
        &[
            ("2026-11-23T08:00:00Z", true),
            ("2026-11-24T08:00:00Z", false),
            ("2026-11-25T08:00:00Z", true),
        ],
    );
}

#[test]
fn the_zone_is_the_one_of_the_settings() {
    let friday = |zone, cases: &[(&str, bool)]| at("time-window: fri 08:00-09:00", zone, cases);
    friday("Europe/Zurich", &[("2026-11-27T07:30:00Z", true), ("2026-11-27T08:30:00Z", false)]);
    friday("Europe/Zurich", &[("2026-07-24T06:30:00Z", true), ("2026-07-24T07:30:00Z", false)]);
    friday("America/New_York", &[("2026-11-27T13:30:00Z", true), ("2026-11-27T07:30:00Z", false)]);
    // Another day there.
    friday("Pacific/Auckland", &[("2026-11-26T19:30:00Z", true), ("2026-11-27T07:30:00Z", false)]);
    friday("Asia/Kathmandu", &[("2026-11-27T02:15:00Z", true), ("2026-11-27T03:15:00Z", false)]);
}

#[test]
fn what_clocks_leave_out_never_holds() {
    // I02: in Zurich 02:00 to 03:00 does not exist on 2026-03-29, in Sydney on 2026-10-04.
    let zurich = |lines, cases: &[(&str, bool)]| at(lines, "Europe/Zurich", cases);
    zurich(
        "time-window: sun 02:15-02:45",
        &[
            ("2026-03-22T01:30:00Z", true),
            ("2026-03-29T00:30:00Z", false),
            ("2026-03-29T00:59:59Z", false),
            ("2026-03-29T01:00:00Z", false),
            ("2026-03-29T01:30:00Z", false),
            ("2026-04-05T00:30:00Z", true),
        ],
    );
    // A window that begins or ends there is cut.
    zurich(
        "time-window: sun 01:30-02:30",
        &[
            ("2026-03-29T00:29:59Z", false),
            ("2026-03-29T00:30:00Z", true),
            ("2026-03-29T00:59:59Z", true),
            ("2026-03-29T01:00:00Z", false),
        ],
    );
    zurich(
        "time-window: sun 02:30-03:30",
        &[
            ("2026-03-29T00:59:59Z", false),
            ("2026-03-29T01:00:00Z", true),
            ("2026-03-29T01:29:59Z", true),
            ("2026-03-29T01:30:00Z", false),
        ],
    );
    at(
        "time-window: sun 02:15-02:45",
        "Australia/Sydney",
        &[
            ("2026-09-26T16:30:00Z", true),
            ("2026-10-03T15:59:59Z", false),
            ("2026-10-03T16:00:00Z", false),
            ("2026-10-03T16:30:00Z", false),
            ("2026-10-10T15:30:00Z", true),
        ],
    );
}

#[test]
fn what_clocks_show_twice_holds_twice() {
    // I02: in Zurich 02:00 to 03:00 comes twice on 2026-10-25, in Sydney on 2026-04-05.
    at(
        "time-window: sun 02:15-02:45",
        "Europe/Zurich",
        &[
            ("2026-10-25T00:14:59Z", false),
            ("2026-10-25T00:15:00Z", true),
            ("2026-10-25T00:45:00Z", false),
            ("2026-10-25T01:00:00Z", false),
            ("2026-10-25T01:15:00Z", true),
            ("2026-10-25T01:44:59Z", true),
            ("2026-10-25T01:45:00Z", false),
        ],
    );
    // It ends, and holds again for the half hour that comes again.
    at(
        "time-window: sun 01:00-02:30",
        "Europe/Zurich",
        &[
            ("2026-10-24T23:00:00Z", true),
            ("2026-10-25T00:29:59Z", true),
            ("2026-10-25T00:30:00Z", false),
            ("2026-10-25T00:59:59Z", false),
            ("2026-10-25T01:00:00Z", true),
            ("2026-10-25T01:30:00Z", false),
        ],
    );
    at(
        "time-window: sun 02:15-02:45",
        "Australia/Sydney",
        &[
            ("2026-04-04T15:15:00Z", true),
            ("2026-04-04T15:45:00Z", false),
            ("2026-04-04T16:15:00Z", true),
            ("2026-04-04T16:45:00Z", false),
        ],
    );
    // Lord Howe changes by half an hour: 01:30 to 02:00 comes twice on 2026-04-05.
    at(
        "time-window: sun 01:30-01:45",
        "Australia/Lord_Howe",
        &[
            ("2026-04-04T14:30:00Z", true),
            ("2026-04-04T14:45:00Z", false),
            ("2026-04-04T15:00:00Z", true),
            ("2026-04-04T15:15:00Z", false),
        ],
    );
}

#[test]
fn a_window_alone_matches_nothing() {
    refuses(&[
        ("a: {\n time-window: mon 08:00-09:00\n}", "EGP022@1"),
        ("a: {\n except-time-window: mon 08:00-09:00\n}", "EGP022@1"),
        ("a: {\n valid-from: 2026-01-01T00:00:00Z\n}", "EGP022@1"),
    ]);
}

#[test]
fn windows_that_are_none_are_refused() {
    let rule = |value: &str| format!("a: {{\n match-port: 80\n time-window: {value}\n}}");
    let cases = [
        ("mon", "EGP066@3"),
        ("mon-fri", "EGP066@3"),
        ("8-17", "EGP066@3"),
        ("8:00-17:00", "EGP066@3"),
        ("08:00", "EGP066@3"),
        ("08:00 - 17:00", "EGP066@3"),
        ("08:00-08:00", "EGP066@3"),
        ("24:00-08:00", "EGP066@3"),
        ("08:00-24:30", "EGP066@3"),
        ("08:00-25:00", "EGP066@3"),
        ("08:60-09:00", "EGP066@3"),
        ("mon-fry 08:00-09:00", "EGP066@3"),
        ("-fri 08:00-09:00", "EGP066@3"),
        ("mon, tue 08:00-09:00", "EGP066@3"),
        ("mon 08:00-09:00 10:00-11:00", "EGP066@3"),
        ("always", "EGP066@3"),
        ("", "EGP009@3"),
        ("Mon-FRI 08:00-09:00", ""),
        ("00:00-24:00", ""),
        ("22:00-00:00", ""),
    ];
    let cases = cases.map(|(value, faults)| (rule(value), faults));
    refuses(&cases.each_ref().map(|(text, faults)| (text.as_str(), *faults)));
    let (_, faults) = one(&rule("mon-fry 08:00-09:00")).load();
    assert_eq!(faults[0].help.as_deref(), Some("did you mean `fri`?"));
}

#[test]
fn an_exception_of_times_is_the_rest_of_the_week() {
    at(
        "except-time-window: mon-fri 12:00-13:00",
        "Europe/Zurich",
        &[
            ("2026-11-27T10:59:59Z", true),
            ("2026-11-27T11:00:00Z", false),
            ("2026-11-27T11:59:59Z", false),
            ("2026-11-27T12:00:00Z", true),
            ("2026-11-28T11:30:00Z", true),
        ],
    );
    at(
        "time-window: mon-fri 08:00-18:00\n except-time-window: 12:00-13:00",
        "UTC",
        &[
            ("2026-11-27T11:59:59Z", true),
            ("2026-11-27T12:00:00Z", false),
            ("2026-11-27T13:00:00Z", true),
            ("2026-11-27T18:00:00Z", false),
        ],
    );
}

#[test]
fn a_rule_counts_only_from_and_until() {
    at(
        "valid-from: 2026-11-27T08:00:00+01:00\n valid-until: 2026-11-28T00:00:00Z",
        "America/New_York",
        &[
            ("2026-11-27T06:59:59.999999Z", false),
            ("2026-11-27T07:00:00Z", true),
            ("2026-11-27T23:59:59.999999Z", true),
            ("2026-11-28T00:00:00Z", false),
        ],
    );
    at(
        "valid-until: 2026-11-27T12:00:00Z\n time-window: 11:00-13:00",
        "UTC",
        &[
            ("2026-11-27T10:30:00Z", false),
            ("2026-11-27T11:30:00Z", true),
            ("2026-11-27T12:00:00Z", false),
            ("2020-11-27T12:00:00Z", true),
        ],
    );
    let rule = |lines: &str| format!("a: {{\n match-port: 80\n {lines}\n}}");
    let cases = [
        ("valid-from: 2026-01-01", "EGP067@3"),
        ("valid-from: 2026-01-01T00:00:00", "EGP067@3"),
        ("valid-from: 2026-02-30T00:00:00Z", "EGP067@3"),
        ("valid-until: 1767225600", "EGP067@3"),
        ("valid-from: 2026-01-01T00:00:00Z\n valid-until: 2026-01-01T01:00:00+01:00", "EGP068@4"),
        ("valid-until: 2025-01-01T00:00:00Z\n valid-from: 2026-01-01T00:00:00Z", "EGP068@3"),
        ("valid-from: 2026-01-01T00:00:00Z\n valid-from: 2027-01-01T00:00:00Z", "EGP026@4"),
        ("valid-from: 2026-01-01t00:00:00.5z\n valid-until: 2026-01-01T00:00:01Z", ""),
    ];
    let cases = cases.map(|(lines, faults)| (rule(lines), faults));
    refuses(&cases.each_ref().map(|(text, faults)| (text.as_str(), *faults)));
}
