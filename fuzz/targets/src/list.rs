//! List files, plain or gzip: any bytes are a list with a report, the set's own file gives it back, and
//! its entries are a list that says the same.

use eg_policy::check::Scope;
use eg_policy::lists::{AddressList, NameList, read_addresses, read_names};
use eg_policy::uri::{Domain, parse_address};
use eg_policy::users::{UserList, read_users};

pub(crate) fn run(bytes: &[u8]) {
    if let Ok((names, report)) = read_names(bytes) {
        assert_eq!(NameList::from_file(&names.to_file()).ok().as_ref(), Some(&names));
        let mut text = String::new();
        for (name, scope) in names.iter() {
            let mut buffer = String::new();
            let own =
                Domain::parse(&mut buffer, name.as_bytes()).is_ok_and(|own| own.as_str() == name);
            assert!(own || parse_address(name.as_bytes()).is_some(), "`{name}` is not canonical");
            text.push_str(match scope {
                Scope::Tree => "",
                Scope::Host => "=",
            });
            text.push_str(name);
            text.push('\n');
        }
        let again = read_names(text.as_bytes()).map(|(again, _)| again).ok();
        assert_eq!(again.as_ref(), Some(&names), "{text}");
        assert!(names.covered() <= names.len());
        assert!(report.accepted >= names.len(), "{report:?}");
    }
    if let Ok((users, _)) = read_users(bytes) {
        assert_eq!(UserList::from_file(&users.to_file()).ok().as_ref(), Some(&users));
        // A first line without a name: a mark of byte order may begin one.
        let text: String =
            ["#"].into_iter().chain(users.iter()).flat_map(|user| [user, "\n"]).collect();
        let again = read_users(text.as_bytes()).map(|(again, _)| again).ok();
        assert_eq!(again.as_ref(), Some(&users), "{text}");
    }
    if let Ok((ranges, _)) = read_addresses(bytes) {
        assert_eq!(AddressList::from_file(&ranges.to_file()).ok().as_ref(), Some(&ranges));
        // A range may end among the mapped addresses, which a list writes as a network only.
        if ranges.iter().any(|range| range.last.to_canonical() != range.last) {
            return;
        }
        let text: String =
            ranges.iter().map(|range| format!("{}-{}\n", range.first, range.last)).collect();
        let again = read_addresses(text.as_bytes()).map(|(again, _)| again).ok();
        assert_eq!(again.as_ref(), Some(&ranges), "{text}");
    }
}
