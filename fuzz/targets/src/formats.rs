//! Lists of other programs: whatever format is said, any bytes are a list with reports, or a fault; what the
//! sets hold is canonical and survives its file; and what is read again from that says the same.

use eg_policy::check::Scope;
use eg_policy::lists::{
    ExpressionList, ListFormat, ListPart, ListSets, NameList, RawList, UrlList, read_list,
};
use eg_policy::uri::{Domain, UriPrefix, parse_address};

use crate::feed::Feed;

pub(crate) fn run(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let said = usize::from(feed.byte());
    let list = match said % 16 {
        15 => {
            let (one, other) = (usize::from(feed.byte()), usize::from(feed.byte()));
            let parts = [
                (ListPart::Domains, feed.take(one).to_vec()),
                (ListPart::Urls, feed.take(other).to_vec()),
                (ListPart::Expressions, feed.rest().to_vec()),
            ];
            RawList::folder(parts.into())
        }
        _ => RawList::file(feed.rest().to_vec()),
    };
    let format = ListFormat::ALL.get(said % 16).copied();
    let source = list.source(format);
    assert_eq!(list.format_of(source), Ok(format));
    let Ok((sets, reports)) = read_list(&list, format) else { return };
    names(&sets.names);
    urls(&sets);
    let expressions = ExpressionList::from_file(&sets.expressions.to_file());
    assert_eq!(expressions.ok().as_ref(), Some(&sets.expressions));
    let accepted: u64 = reports.iter().map(|report| report.accepted).sum();
    assert_eq!(accepted, sets.len());
    for report in &reports {
        assert!(report.refused_count <= report.lines, "{report:?}");
        assert!(report.refused.iter().all(|(line, _)| (1..=report.lines).contains(line)));
    }
}

fn names(names: &NameList) {
    assert_eq!(NameList::from_file(&names.to_file()).ok().as_ref(), Some(names));
    let mut text = String::new();
    for (name, scope) in names.iter() {
        let mut buffer = String::new();
        let own = Domain::parse(&mut buffer, name.as_bytes()).is_ok_and(|own| own.as_str() == name);
        assert!(own || parse_address(name.as_bytes()).is_some(), "`{name}` is not canonical");
        text.push_str(match scope {
            Scope::Tree => "",
            Scope::Host => "=",
        });
        text.push_str(name);
        text.push('\n');
    }
    let again = read_list(&RawList::file(text.clone().into_bytes()), Some(ListFormat::Plain));
    assert_eq!(again.ok().map(|(sets, _)| sets.names).as_ref(), Some(names), "{text}");
}

fn urls(sets: &ListSets) {
    assert_eq!(UrlList::from_file(&sets.urls.to_file()).ok().as_ref(), Some(&sets.urls));
    let mut text = String::new();
    for (host, rest) in sets.urls.iter() {
        let url = UriPrefix::parse(&format!("{host}{rest}"));
        let own = url.as_ref().is_ok_and(|url| url.host() == host && url.rest() == rest);
        assert!(own, "`{host}{rest}` is not canonical: {url:?}");
        text.push_str(&format!("{host}{rest}\n"));
    }
    let again = read_list(&RawList::file(text.clone().into_bytes()), Some(ListFormat::Urls));
    assert_eq!(again.ok().map(|(sets, _)| sets.urls).as_ref(), Some(&sets.urls), "{text}");
}
