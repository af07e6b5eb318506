//! The path from files to a ruleset, on a disk of its own: what a failure leaves as it was.

use std::fs;
use std::path::PathBuf;

use eg_policy::check::ListKind;
use eg_policy::regex::LoweredCounts;
use eg_settings::Overrides;

use super::*;
use crate::config::{TimeZoneChoice, load_text};

#[path = "tests_lists.rs"]
mod lists;

/// A policy below one folder, and the reloader on it.
struct Site {
    folder: tempfile::TempDir,
    reloader: Reloader,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["own", "shared", "lists"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let reloader = reloader(folder.path());
        Self { folder, reloader }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// A policy file with one rule on one list.
    fn rule(&self, folder: &str, name: &str) {
        let text =
            format!("{name}: {{\n  match-domain-list: ../lists/{name}\n  action: deny\n}}\n");
        self.write(&format!("{folder}/{name}.policy"), &text);
    }

    fn list(&self, name: &str, names: usize) {
        let text: String = (0..names).map(|at| format!("n{at}.{name}.example\n")).collect();
        self.write(&format!("lists/{name}"), &text);
    }

    fn names(&self) -> Vec<String> {
        let live = self.reloader.live.as_ref().unwrap();
        live.policy.rules.iter().map(|rule| rule.name.clone()).collect()
    }

    fn stored(&self) -> StoredPolicy {
        self.reloader.store.load_policy().unwrap().unwrap()
    }
}

impl Reloader {
    /// A plain reload.
    fn reload(&mut self) -> Result<Prepared, ReloadFault> {
        self.carry_out(&Order::of(Origin::Signal), Instant::now())
    }
}

fn reloader(folder: &Path) -> Reloader {
    let text = "[connectors.a]\nkey = \"0123456789abcdef\"\n\
         [captive_portal]\nsecret = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n\
         [policy]\npath = \"own\"\nshared_path = \"shared\"\nbackup_path = \"backups\"\n\
         [database]\ndatabase_file = \"state/engine.db\"\n";
    let file: PathBuf = folder.join("engine.conf");
    let config = load_text(file, text, &Overrides::default()).unwrap().config;
    let store = Store::open(&config.database.database_file).unwrap();
    Reloader::new(&config, store, Backend::Hyperscan)
}

#[test]
fn a_broken_shared_file_keeps_its_last_good_rules() {
    let mut site = Site::new();
    site.rule("own", "ads");
    site.rule("shared", "malware");
    site.list("ads", 10);
    site.list("malware", 20);
    assert!(matches!(site.reloader.start().unwrap(), Start::FromFiles(_)));
    assert_eq!(site.names(), ["ads", "malware"]);

    site.write("shared/malware.policy", "malware: {\n  match-uri\n");
    let prepared = site.reloader.reload().unwrap();
    assert_eq!(site.names(), ["ads", "malware"]);
    assert!(!prepared.receipt.warnings.is_empty());
    assert!(prepared.receipt.notes.iter().any(|note| note.contains("stay live")));
    assert_eq!(prepared.ruleset.entries(), 30);

    // So it does when its list is gone.
    site.rule("shared", "malware");
    fs::remove_file(site.folder.path().join("lists/malware")).unwrap();
    site.reloader.reload().unwrap();
    assert_eq!(site.names(), ["ads", "malware"]);

    // A file that is taken away takes its rules along, if the guard allows it.
    fs::remove_file(site.folder.path().join("shared/malware.policy")).unwrap();
    assert!(matches!(site.reloader.reload(), Err(ReloadFault::TooFewRules { .. })));
    assert_eq!(site.names(), ["ads", "malware"]);
}

#[test]
fn kept_rules_stand_where_their_file_does() {
    let mut site = Site::new();
    site.rule("own", "zoo");
    site.rule("shared", "10-deny");
    site.rule("shared", "20-allow");
    for name in ["zoo", "10-deny", "20-allow"] {
        site.list(name, 10);
    }
    site.reloader.start().unwrap();
    site.write("shared/10-deny.policy", "10-deny: {\n  match-uri\n");
    site.reloader.reload().unwrap();
    assert_eq!(site.names(), ["zoo", "10-deny", "20-allow"]);
    let ids: Vec<u32> = site.stored().policy.rules.iter().map(|rule| rule.id.0).collect();
    assert_eq!(ids, [1, 2, 3]);
}

#[test]
fn a_kept_rule_whose_name_is_taken_stays_out_with_a_note() {
    let mut site = Site::new();
    for name in ["ads", "games", "malware"] {
        site.list(name, 10);
    }
    site.rule("own", "ads");
    let rule = |name: &str| format!("{name}: {{\n  match-domain-list: ../lists/{name}\n}}\n");
    site.write("shared/feed.policy", &(rule("games") + &rule("malware")));
    site.reloader.start().unwrap();
    // The broken file's rules stay, but for the one whose name an operator's file has now.
    site.write("shared/feed.policy", "games: {\n  match-uri\n");
    site.rule("own", "games");
    let notes = site.reloader.reload().unwrap().receipt.notes;
    assert_eq!(site.names(), ["ads", "games", "malware"]);
    let taken: Vec<_> = notes.iter().filter(|note| note.contains("taken")).collect();
    let [taken] = taken[..] else { panic!("{notes:?}") };
    assert!(taken.starts_with("1 rule(s) that `"), "{taken}");
    assert!(taken.contains("shared/feed.policy` had before are no longer live"), "{taken}");
    assert!(taken.contains("`games` (now in `") && taken.contains("own/games.policy`)"), "{taken}");
    assert!(notes.iter().any(|note| note.starts_with("the 1 rule(s) that")), "{notes:?}");
    // The next one says so no more: the rule is not live.
    let notes = site.reloader.reload().unwrap().receipt.notes;
    assert!(notes.iter().all(|note| !note.contains("taken")), "{notes:?}");
}

#[test]
fn a_link_to_a_folder_that_is_lost_keeps_its_rules() {
    let mut site = Site::new();
    for name in ["ads", "games", "malware"] {
        site.list(name, 10);
    }
    site.rule("own", "ads");
    site.rule("shared", "games");
    fs::create_dir(site.folder.path().join("feed")).unwrap();
    site.write(
        "feed/malware.policy",
        &format!(
            "malware: {{\n  match-domain-list: {}/lists/malware\n}}\n",
            site.folder.path().display()
        ),
    );
    let link = site.folder.path().join("shared/20-feed");
    std::os::unix::fs::symlink("../feed", &link).unwrap();
    site.reloader.start().unwrap();
    assert_eq!(site.names(), ["ads", "malware", "games"]);
    fs::rename(site.folder.path().join("feed"), site.folder.path().join("away")).unwrap();
    for _ in 0..2 {
        let Receipt { warnings, notes, .. } = site.reloader.reload().unwrap().receipt;
        assert_eq!(site.names(), ["ads", "malware", "games"]);
        let place = link.display().to_string();
        assert!(warnings.iter().any(|found| found.place.file == place
            && found.code == Code::UnreadableFile
            && found.severity == Severity::Warning));
        assert!(notes.iter().any(|note| note.contains("stay live")), "{notes:?}");
    }
    // The operator's own links are faults.
    std::os::unix::fs::symlink("../feed", site.folder.path().join("own/feed")).unwrap();
    assert!(matches!(site.reloader.reload(), Err(ReloadFault::Policy { .. })));
    // Hidden ones are an editor's.
    fs::remove_file(site.folder.path().join("own/feed")).unwrap();
    std::os::unix::fs::symlink("user@host.1", site.folder.path().join("own/.#ads.policy")).unwrap();
    site.reloader.reload().unwrap();
    // Without the link there is nothing to keep.
    fs::remove_file(link).unwrap();
    site.reloader.config.shrink_guard_percent = 100;
    site.reloader.reload().unwrap();
    assert_eq!(site.names(), ["ads", "games"]);
}

#[test]
fn a_shared_folder_that_is_lost_keeps_its_rules() {
    let mut site = Site::new();
    site.rule("own", "ads");
    site.list("ads", 10);
    site.list("malware", 20);
    site.rule("shared", "malware");
    site.reloader.start().unwrap();
    let loops = site.folder.path().join("shared/loop");
    std::os::unix::fs::symlink("loop", &loops).unwrap();
    for _ in 0..2 {
        let prepared = site.reloader.reload().unwrap();
        assert_eq!(site.names(), ["ads", "malware"]);
        assert!(prepared.receipt.notes.iter().any(|note| note.contains("`[policy] shared_path`")));
        // Next time the whole folder is gone.
        drop(fs::remove_dir_all(site.folder.path().join("shared")));
    }
    // Only an operator's word drops them.
    site.reloader.config.shared_path = None;
    site.reloader.config.shrink_guard_percent = 100;
    site.reloader.reload().unwrap();
    assert_eq!(site.names(), ["ads"]);
    // A folder that never gave a rule may be missing.
    site.reloader.config.shared_path = Some(site.folder.path().join("shared"));
    assert!(site.reloader.reload().unwrap().receipt.notes.is_empty());
}

#[test]
fn a_refused_reload_changes_nothing() {
    let mut site = Site::new();
    site.rule("own", "ads");
    site.list("ads", 10);
    site.reloader.start().unwrap();
    let before = site.stored();
    site.write("own/bad.policy", "bad: {\n  match-uri: \n}\n");
    let Err(ReloadFault::Policy { diagnostics }) = site.reloader.reload() else { panic!() };
    assert!(has_error(&diagnostics));
    assert_eq!(site.stored(), before);
    assert_eq!(site.reloader.live.as_ref(), Some(&before));
}

#[test]
fn what_has_not_changed_is_not_parsed_again() {
    let mut site = Site::new();
    for name in ["ads", "games"] {
        site.rule("own", name);
        site.list(name, 10);
    }
    let Start::FromFiles(first) = site.reloader.start().unwrap() else { panic!() };
    assert_eq!(first.receipt.parsed, 2);
    let again = site.reloader.reload().unwrap();
    assert_eq!(again.receipt.parsed, 0);
    assert_eq!(again.receipt.digest, first.receipt.digest);
    assert_eq!(again.ruleset.entries(), 20);
    site.list("ads", 11);
    let changed = site.reloader.reload().unwrap();
    assert_eq!(changed.receipt.parsed, 1);
    assert_ne!(changed.receipt.digest, first.receipt.digest);
    site.reloader.clean_up();
    let sets = fs::read_dir(site.folder.path().join("state/sets")).unwrap().count();
    assert_eq!(sets, 3, "two lists and one index");
}

#[test]
fn a_list_that_shrinks_too_much_keeps_its_old_entries() {
    let mut site = Site::new();
    site.rule("own", "ads");
    site.list("ads", 10);
    site.reloader.start().unwrap();
    for (names, expected) in [(0, 10), (7, 10), (8, 8), (9, 9)] {
        site.list("ads", names);
        let prepared = site.reloader.reload().unwrap();
        assert_eq!(prepared.ruleset.entries(), expected, "{names}");
        let kept = prepared.receipt.notes.iter().any(|note| note.contains("its old entries stay"));
        assert_eq!(kept, names as u64 != expected, "{names}");
    }
}

#[test]
fn a_start_from_the_store_makes_lost_and_broken_sets_again() {
    let mut site = Site::new();
    site.rule("own", "ads");
    site.list("ads", 10);
    site.reloader.start().unwrap();
    let digest = site.stored().policy.digest();
    let Site { folder, reloader: first } = site;
    let index = first.store.sets().path(SetKind::Index, first.live.unwrap().policy.index_digest());
    drop(first.store);
    for break_it in [
        |path: &Path| fs::write(path, "broken").unwrap(),
        |path: &Path| fs::remove_dir_all(path.parent().unwrap()).unwrap(),
    ] {
        break_it(&index);
        let mut reloader = reloader(folder.path());
        let Start::FromStore { ruleset, notes, .. } = reloader.start().unwrap() else { panic!() };
        assert_eq!((ruleset.entries(), ruleset.digest()), (10, digest));
        assert!(!notes.is_empty());
    }
}

#[test]
fn a_damaged_set_file_blocks_no_reload() {
    let mut site = Site::new();
    site.rule("own", "ads");
    site.list("ads", 10);
    site.list("games", 10);
    site.reloader.start().unwrap();
    let set = site.stored().policy.lists[0].set;
    let path = site.reloader.store.sets().path(SetKind::Names, set);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, "enforcegate-names 1 1\nn0.ads.example\n").unwrap();
    // Another list makes a new index, for which the damaged set is read.
    site.rule("own", "games");
    let prepared = site.reloader.reload().unwrap();
    assert_eq!(prepared.ruleset.entries(), 20);
    assert!(prepared.receipt.notes.iter().any(|note| note.contains("made again")));
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn a_start_without_its_sets_keeps_every_guard() {
    let lose_sets = |folder: &Path| fs::remove_dir_all(folder.join("state/sets")).unwrap();
    let start_again = |site: Site| {
        let Site { folder, reloader: first } = site;
        let before = first.live.clone().unwrap();
        drop(first);
        lose_sets(folder.path());
        let mut again = reloader(folder.path());
        let started = again.start();
        let stored = again.store.load_policy().unwrap().unwrap();
        (started, before, stored, Site { folder, reloader: again })
    };
    let site = || {
        let mut site = Site::new();
        for (folder, name) in [("own", "ads"), ("own", "games"), ("shared", "malware")] {
            site.rule(folder, name);
            site.list(name, 10);
        }
        site.reloader.start().unwrap();
        site
    };

    // A list that shrank while its set is lost.
    let one = site();
    one.list("ads", 2);
    let (started, before, stored, _site) = start_again(one);
    let Err(ReloadFault::Policy { diagnostics }) = started else { panic!() };
    assert!(diagnostics.iter().any(|found| found.message.contains("shrank from 10 to 2")));
    assert_eq!(stored, before);

    // Rules that are gone.
    let two = site();
    two.list("malware", 11);
    fs::remove_file(two.folder.path().join("own/ads.policy")).unwrap();
    let (started, before, stored, _site) = start_again(two);
    assert!(matches!(started, Err(ReloadFault::TooFewRules { before: 3, after: 2, .. })));
    assert_eq!(stored, before);

    // A shared file that is broken keeps its rules.
    let three = site();
    three.list("ads", 11);
    three.write("shared/malware.policy", "malware: {\n  match-uri\n");
    let (started, _, _, site) = start_again(three);
    assert!(matches!(started.unwrap(), Start::FromFiles(_)));
    assert_eq!(site.names(), ["ads", "games", "malware"]);
}

#[test]
fn a_start_without_its_sets_is_not_refused_for_want_of_room() {
    let mut site = Site::new();
    site.rule("own", "ads");
    site.list("ads", 10);
    site.reloader.start().unwrap();
    let Site { folder, reloader: first } = site;
    drop(first);
    fs::remove_dir_all(folder.path().join("state/sets")).unwrap();
    let mut site = Site { reloader: reloader(folder.path()), folder };
    // So that the stored policy cannot be made again.
    site.list("ads", 11);
    // Somebody has left a rollback there that was cut off.
    let staging = site.folder.path().join("own/.enforcegate-rollback");
    fs::create_dir(&staging).unwrap();
    fs::write(staging.join("journal.json"), "{\"format\":1,\"snapshot\":\"x\",\"acts\":[]}")
        .unwrap();
    site.reloader.config.memory_max_mb = Some(1);
    let Start::FromFiles(filled) = site.reloader.start().unwrap() else { panic!() };
    let notes = filled.receipt.notes;
    assert!(notes.iter().any(|note| note.contains("it may have 1 MiB")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("a rollback had been cut off")), "{notes:?}");
    // Once one serves, it must not be put at risk.
    site.list("ads", 12);
    assert!(matches!(site.reloader.reload(), Err(ReloadFault::Memory { .. })));
}

/// Two policy files with regexes, on a site.
fn site_with_regexes() -> Site {
    let site = Site::new();
    site.write("own/a.policy", "a: {\n  match-uri-regex: /ads[0-9]+/\n}\n");
    site.write(
        "own/b.policy",
        "b: {\n  match-user-agent-regex: ^curl/[0-9]+x\n  action: deny\n}\n",
    );
    site
}

fn kept_shards(site: &Site) -> Vec<PathBuf> {
    let entries = fs::read_dir(site.folder.path().join("state/sets")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut shards: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "rex")).collect();
    shards.sort();
    shards
}

#[test]
fn only_a_shard_whose_patterns_changed_is_compiled() {
    let mut site = site_with_regexes();
    let Start::FromFiles(first) = site.reloader.start().unwrap() else { panic!() };
    let all = RegexCounts { patterns: 2, shards: 2, compiled: 2, ..RegexCounts::default() };
    assert_eq!(first.receipt.regexes, all);
    assert_eq!(kept_shards(&site).len(), 2);
    // What is live is taken over.
    let again = site.reloader.reload().unwrap();
    assert_eq!(again.receipt.regexes, RegexCounts { compiled: 0, ..all });
    // One of two fields changes; the old one's file goes.
    let before = kept_shards(&site);
    site.write("own/a.policy", "a: {\n  match-uri-regex: /ads[0-9]*x/\n}\n");
    let changed = site.reloader.reload().unwrap();
    assert_eq!(changed.receipt.regexes, RegexCounts { compiled: 1, ..all });
    site.reloader.clean_up();
    let after = kept_shards(&site);
    assert_eq!(after.len(), 2);
    assert_eq!(before.iter().filter(|path| after.contains(path)).count(), 1);
    // A name in disguise is no work for a scanner.
    let name = r"(^|\.)b\.example$";
    site.write("own/b.policy", &format!("b: {{\n  match-sni-regex: {name}\n}}\n"));
    let lowered = LoweredCounts { domains: 1, ..LoweredCounts::default() };
    let lowered = RegexCounts { patterns: 2, lowered, shards: 1, ..RegexCounts::default() };
    assert_eq!(site.reloader.reload().unwrap().receipt.regexes, lowered);
    assert_eq!(lowered.scanned(), 1);
    // Without a regex there is nothing to keep.
    site.write("own/a.policy", "a: {\n  match-domain: a.example\n}\n");
    site.write("own/b.policy", "b: {\n  match-domain: b.example\n}\n");
    assert_eq!(site.reloader.reload().unwrap().receipt.regexes, RegexCounts::default());
    site.reloader.clean_up();
    assert!(kept_shards(&site).is_empty());
}

/// What becomes of a file's bytes.
type Damage<'d> = &'d dyn Fn(&[u8]) -> Option<Vec<u8>>;

#[test]
fn a_start_takes_kept_shards_and_makes_broken_ones_again() {
    let mut site = site_with_regexes();
    site.reloader.start().unwrap();
    let good: Vec<(PathBuf, Vec<u8>)> = kept_shards(&site)
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    let Site { folder, reloader: first } = site;
    drop(first);
    let flip = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        Some(bytes)
    };
    let swap = good[1].1.clone();
    let cut = |bytes: &[u8]| Some(bytes[..bytes.len() - 1].to_vec());
    let cases: [(&str, Damage<'_>, usize, usize); 6] = [
        ("whole", &|bytes| Some(bytes.to_vec()), 0, 0),
        ("lost", &|_| None, 1, 0),
        ("empty", &|_| Some(Vec::new()), 1, 1),
        ("cut off", &cut, 1, 1),
        ("a bit flipped", &flip, 1, 1),
        ("another shard's", &|_| Some(swap.clone()), 1, 1),
    ];
    for (what, change, compiled, noted) in cases {
        let (path, bytes) = &good[0];
        match change(bytes) {
            None => fs::remove_file(path).unwrap(),
            Some(bytes) => fs::write(path, bytes).unwrap(),
        }
        let mut reloader = reloader(folder.path());
        let Start::FromStore { ruleset, regexes, notes } = reloader.start().unwrap() else {
            panic!("{what}")
        };
        let expected = RegexCounts {
            patterns: 2,
            shards: 2,
            compiled,
            read: 2 - compiled,
            ..RegexCounts::default()
        };
        assert_eq!(regexes, expected, "{what}");
        assert_eq!(notes.len(), noted, "{what}: {notes:?}");
        assert!(notes.iter().all(|note| note.contains("are made again")), "{what}: {notes:?}");
        assert_eq!(ruleset.shards().count(), 2, "{what}");
        assert_eq!(fs::read(path).unwrap(), *bytes, "{what}: it is there again");
    }
}

#[test]
fn another_scanner_has_shards_of_its_own() {
    let mut site = site_with_regexes();
    site.reloader.start().unwrap();
    let before = kept_shards(&site);
    let Site { folder, reloader: first } = site;
    let mut reloader =
        Reloader { bank: Bank::new(Backend::Regex), live: None, held: Held::default(), ..first };
    let Start::FromStore { regexes, .. } = reloader.start().unwrap() else { panic!() };
    assert_eq!((regexes.compiled, regexes.read, regexes.fallback), (2, 0, 2));
    reloader.clean_up();
    let after = kept_shards(&Site { folder, reloader });
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|path| !before.contains(path)));
}

#[test]
fn lists_of_users_are_kept_and_read_again_like_others() {
    let mut site = Site::new();
    site.write("lists/staff", "ada\nbob\n");
    site.list("ads", 3);
    let rule = "staff: {\n match-user: @../lists/staff\n except-domain-list: ../lists/ads\n}\n";
    site.write("own/10.policy", rule);
    let Start::FromFiles(prepared) = site.reloader.start().unwrap() else {
        panic!("no first fill")
    };
    assert_eq!((prepared.receipt.lists, prepared.receipt.entries), (2, 5));
    let digest = prepared.ruleset.digest();
    // Unchanged, neither is parsed again.
    assert_eq!(site.reloader.reload().unwrap().receipt.parsed, 0);
    site.reloader.clean_up();
    // A start takes the set file, and makes a lost one again.
    let policy = site.stored().policy;
    let list = policy.lists.iter().find(|list| list.kind == ListKind::Users).unwrap();
    let set = site.reloader.store.sets().path(SetKind::Users, list.set);
    for lost in [false, true] {
        if lost {
            fs::remove_file(&set).unwrap();
        }
        let Site { folder, reloader: old } = site;
        drop(old);
        let reloader = reloader(folder.path());
        site = Site { folder, reloader };
        let Start::FromStore { ruleset, notes, .. } = site.reloader.start().unwrap() else {
            panic!("the store was not used")
        };
        assert_eq!(ruleset.digest(), digest);
        assert_eq!(notes.iter().any(|note| note.contains("made again")), lost, "{notes:?}");
        assert!(set.is_file());
    }
    // A list that lost its users by a slip keeps them.
    site.write("lists/staff", "ada\n");
    let notes = site.reloader.reload().unwrap().receipt.notes;
    assert!(notes.iter().any(|note| note.contains("shrank from 2 to 1")), "{notes:?}");
}

#[test]
fn kept_rules_keep_the_lists_of_their_exceptions() {
    let mut site = Site::new();
    site.rule("own", "ads");
    site.list("ads", 3);
    site.list("ok", 2);
    site.write("lists/staff", "ada\n");
    let rule = "feed: {\n match-user: @../lists/staff\n except-domain-list: ../lists/ok\n}\n";
    site.write("shared/feed.policy", rule);
    site.reloader.start().unwrap();
    site.write("shared/feed.policy", "feed: {\n match-user\n");
    site.reloader.reload().unwrap();
    assert_eq!(site.names(), ["ads", "feed"]);
    let policy = site.stored().policy;
    let kept = &policy.rules[1];
    let path = |index: eg_policy::check::ListIndex| policy.lists[index.0 as usize].path.clone();
    assert!(path(kept.except.as_ref().unwrap().domain_lists[0]).ends_with("lists/ok"));
    let [eg_policy::check::UserPattern::List(staff)] = kept.conditions.users[..] else {
        panic!("{kept:?}")
    };
    assert!(path(staff).ends_with("lists/staff"));
}

#[test]
fn the_zone_of_the_settings_is_that_of_the_ruleset() {
    let mut site = Site::new();
    site.write("own/10.policy", "a: {\n match-port: 80\n time-window: 08:00-09:00\n}\n");
    site.reloader.config.time_window_tz = TimeZoneChoice::Named("Europe/Zurich".to_owned());
    let Start::FromFiles(prepared) = site.reloader.start().unwrap() else {
        panic!("no first fill")
    };
    assert_eq!(prepared.ruleset.zone().name(), "Europe/Zurich");
    let zurich = prepared.ruleset.digest();
    site.reloader.config.time_window_tz = TimeZoneChoice::Utc;
    let utc = site.reloader.reload().unwrap().ruleset;
    assert_ne!(utc.digest(), zurich);
    // The store has the policy's own digest, and takes no other for it.
    assert_eq!(site.stored().policy.digest(), site.reloader.live.as_ref().unwrap().policy.digest());
    // Where no rule asks the clock, nobody looks for one.
    site.write("own/10.policy", "a: {\n match-port: 80\n}\n");
    let broken = TimeZoneChoice::Named("Mars/Olympus".to_owned());
    site.reloader.config.time_window_tz = broken;
    assert_eq!(site.reloader.reload().unwrap().ruleset.zone().name(), "UTC");
    site.stored();
    site.write("own/10.policy", "a: {\n match-port: 80\n except-time-window: 08:00-09:00\n}\n");
    assert!(matches!(site.reloader.reload(), Err(ReloadFault::Zone(_))));
    assert_eq!(site.names(), ["a"]);
}
