//! Lists of more than plain names: their parts over reloads and starts, what a broken publication
//! changes, and what a folder may lead to.

use std::os::unix::fs::symlink;

use eg_policy::client::{Client, Known, Phase, Request, Tunnel};
use eg_policy::decide::{Scratch, decide};
use eg_policy::uri::{CanonicalUri, Form, UriBuffer};
use eg_policy::verdict::Action;

use super::*;

/// A site with one rule on the folder `lists/ads`.
fn site_with_folder(parts: &[(&str, &str)]) -> Site {
    let site = Site::new();
    site.rule("own", "ads");
    fs::create_dir(site.folder.path().join("lists/ads")).unwrap();
    parts.iter().for_each(|(part, text)| site.write(&format!("lists/ads/{part}"), text));
    site
}

fn urls(count: usize) -> String {
    (0..count).map(|at| format!("u{at}.example/x\n")).collect()
}

fn is_denied(ruleset: &Ruleset, url: &str) -> bool {
    let mut buffer = UriBuffer::default();
    let uri = CanonicalUri::parse(&mut buffer, Form::Absolute, url.as_bytes()).unwrap();
    let request = Request {
        phase: Phase::Request,
        tunnel: Tunnel::Opaque,
        method: b"GET",
        uri: &uri,
        client: Client {
            address: [10, 0, 0, 1].into(),
            user: None,
            sni: Known::Absent,
            user_agent: Known::Absent,
            referer: Known::Absent,
        },
        earlier: None,
    };
    let mut scratch = Scratch::new(ruleset);
    decide(ruleset, &mut scratch, &request, Moment::from_unix_micros(0)).action == Action::Deny
}

/// What the three parts of `lists/ads` block, and what they do not.
fn holds(ruleset: &Ruleset) {
    for (url, denied) in [
        ("http://w.a.example/", true),
        ("http://u7.example/x/y", true),
        ("http://u7.example/", false),
        ("http://c.example/ads12", true),
        ("http://c.example/ads", false),
    ] {
        assert_eq!(is_denied(ruleset, url), denied, "{url}");
    }
}

#[test]
fn a_folder_lives_over_reloads_and_starts_with_all_its_parts() {
    let parts = [("domains", "a.example\n"), ("urls", &urls(20)), ("expressions", "/ads[0-9]+\n")];
    let mut site = site_with_folder(&parts);
    let Start::FromFiles(first) = site.reloader.start().unwrap() else { panic!() };
    assert_eq!((first.receipt.lists, first.receipt.entries, first.receipt.parsed), (1, 22, 1));
    holds(&first.ruleset);
    let again = site.reloader.reload().unwrap();
    assert_eq!((again.receipt.parsed, again.receipt.digest), (0, first.receipt.digest));
    holds(&again.ruleset);
    site.reloader.clean_up();
    // Without its set the list is read again, and so is one that another version has read.
    let live = site.reloader.live.as_ref().unwrap().policy.clone();
    let urls = live.lists.iter().find(|list| list.path.ends_with("ads") && list.entries == 20);
    let path = site.reloader.store.sets().path(SetKind::Urls, urls.unwrap().set);
    fs::remove_file(path).unwrap();
    assert_eq!(site.reloader.reload().unwrap().receipt.parsed, 1);
    let of_old_version = Digest::of(b"a.example\n");
    let stored = &mut site.reloader.live.as_mut().unwrap().policy;
    stored.lists.iter_mut().for_each(|list| list.source = of_old_version);
    let again = site.reloader.reload().unwrap();
    assert_eq!((again.receipt.parsed, again.receipt.digest), (1, first.receipt.digest));
    holds(&again.ruleset);

    let Site { folder, reloader: old } = site;
    drop(old);
    for lose in [0, 1] {
        if lose == 1 {
            fs::remove_dir_all(folder.path().join("state/sets")).unwrap();
        }
        let mut started = reloader(folder.path());
        let Start::FromStore { ruleset, .. } = started.start().unwrap() else { panic!() };
        holds(&ruleset);
    }
}

#[test]
fn a_part_that_shrinks_too_much_keeps_the_whole_list() {
    let parts = [("domains", "a.example\n"), ("urls", &urls(20)), ("expressions", "/ads[0-9]+\n")];
    let mut site = site_with_folder(&parts);
    site.reloader.start().unwrap();
    for (part, text) in [
        ("urls", urls(3)),
        ("urls", "u0.example/x\n$0/\n".to_owned()),
        ("expressions", "(\n".to_owned()),
        ("domains", "<html>\nerror\n</html>\n".to_owned()),
    ] {
        let path = site.folder.path().join("lists/ads").join(part);
        let before = fs::read(&path).unwrap();
        fs::write(&path, &text).unwrap();
        let prepared = site.reloader.reload().unwrap();
        holds(&prepared.ruleset);
        let notes = prepared.receipt.notes;
        assert!(
            notes.iter().any(|note| note.contains("its old entries stay")),
            "{part}: {notes:?}"
        );
        fs::write(&path, before).unwrap();
        site.reloader.reload().unwrap();
    }
    // A part that is gone has shrunk to nothing.
    fs::remove_file(site.folder.path().join("lists/ads/urls")).unwrap();
    holds(&site.reloader.reload().unwrap().ruleset);
}

#[test]
fn a_list_of_another_format_is_read_again() {
    let mut site = Site::new();
    let rule = |format: &str| format!("r: {{\n  match-domain-list: ../lists/x{format}\n}}\n");
    site.write("own/x.policy", &rule(""));
    site.write("lists/x", "a.example\nb.example\nc.example\n0.0.0.0 d.example\n");
    site.reloader.start().unwrap();
    site.write("own/x.policy", &rule(" as plain"));
    let prepared = site.reloader.reload().unwrap();
    assert_eq!((prepared.receipt.parsed, prepared.receipt.entries), (1, 3));
    // The guard stands between a list and a format in which it is nothing.
    site.write("own/x.policy", &rule(" as rpz"));
    let prepared = site.reloader.reload().unwrap();
    assert!(is_denied(&prepared.ruleset, "http://a.example/"));
}

#[test]
fn a_broken_publication_changes_nothing() {
    let mut site = Site::new();
    site.rule("own", "ads");
    site.rule("own", "games");
    site.list("games", 10);
    let good: String = (0..100).map(|at| format!("server=/n{at}.example/\n")).collect();
    let broken = "$0/\n".repeat(100);
    site.write("lists/ads", &broken);
    // There is nothing to keep yet.
    let Err(ReloadFault::Policy { diagnostics }) = site.reloader.start() else { panic!() };
    let said = &diagnostics[0].message;
    assert!(said.contains("none of its 100 lines can be used"), "{said}");
    site.write("lists/ads", &good);
    let Start::FromFiles(first) = site.reloader.start().unwrap() else { panic!() };
    assert_eq!((first.receipt.entries, first.receipt.notes), (110, Vec::new()));
    for bad in [broken.as_str(), "<!DOCTYPE html>\n<p>404\n", "\x1f\u{fffd}", ""] {
        site.write("lists/ads", bad);
        site.list("games", 11);
        let prepared = site.reloader.reload().unwrap();
        assert!(is_denied(&prepared.ruleset, "http://n7.example/"), "{bad}");
        // What else changed goes live.
        assert!(is_denied(&prepared.ruleset, "http://n10.games.example/"), "{bad}");
        let notes = prepared.receipt.notes;
        assert!(notes.iter().any(|note| note.contains("its old entries stay")), "{notes:?}");
    }
}

/// The links of UT1, `porn -> adult`, lead beside themselves.
#[test]
fn links_are_followed_below_the_folder_that_holds_the_list() {
    let mut site = site_with_folder(&[("domains", "a.example\n")]);
    let lists = site.folder.path().join("lists");
    symlink("ads", lists.join("banners")).unwrap();
    fs::create_dir(lists.join("parts")).unwrap();
    symlink("../ads/domains", lists.join("parts/domains")).unwrap();
    site.rule("own", "banners");
    site.rule("own", "parts");
    let Start::FromFiles(first) = site.reloader.start().unwrap() else { panic!() };
    assert_eq!((first.receipt.lists, first.receipt.entries), (3, 3));
}

#[test]
fn links_out_of_the_folder_loops_and_special_files_are_refused() {
    let site = site_with_folder(&[("domains", "a.example\n")]);
    let root = site.folder.path();
    let lists = root.join("lists");
    fs::create_dir(root.join("other")).unwrap();
    fs::write(root.join("other/domains"), "secret.example\n").unwrap();
    symlink("../other", lists.join("away")).unwrap();
    symlink("..", lists.join("up")).unwrap();
    symlink("around", lists.join("around")).unwrap();
    symlink("nowhere", lists.join("lost")).unwrap();
    for (folder, link) in [("out", "../../other/domains"), ("loop", "domains"), ("gone", "nothing")]
    {
        fs::create_dir(lists.join(folder)).unwrap();
        symlink(link, lists.join(folder).join("domains")).unwrap();
    }
    fs::create_dir_all(lists.join("empty")).unwrap();
    fs::create_dir_all(lists.join("nested/domains")).unwrap();
    fs::create_dir_all(lists.join("twice")).unwrap();
    fs::write(lists.join("twice/domains"), "a.example\n").unwrap();
    fs::write(lists.join("twice/domains.gz"), "a.example\n").unwrap();
    fs::create_dir_all(lists.join("pipe")).unwrap();
    nix::unistd::mkfifo(&lists.join("pipe/domains"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    nix::unistd::mkfifo(&lists.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (name, expected) in [
        ("away", "leads out of"),
        ("up", "leads out of"),
        ("around", "cannot be read"),
        ("lost", "cannot be read"),
        ("out", "leads out of"),
        ("loop", "cannot be read"),
        ("gone", "cannot be read"),
        ("empty", "none of `domains`, `urls` and `expressions`"),
        ("nested", "neither a file nor a folder"),
        ("twice", "remove one"),
        ("pipe", "neither a file nor a folder"),
        ("fifo", "neither a file nor a folder"),
        ("absent", "no such file or folder"),
    ] {
        site.write("own/ads.policy", "");
        site.rule("own", name);
        let config = &site.reloader.config;
        let checked = check_only(config).unwrap();
        let said = &checked.diagnostics[0].message;
        assert!(checked.is_refused() && said.contains(expected), "{name}: {said}");
        fs::remove_file(root.join(format!("own/{name}.policy"))).unwrap();
    }
}
